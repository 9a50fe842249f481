import CLibpq
import Glibc

/// The calls of libpq that send a command with its texts.
///
/// They are not isolated to the loop, although they run there: a closure that is isolated has its
/// executor checked each time it is handed to a function of the standard library, which costs more
/// than to copy a text.
enum Pipeline {
    /// Sends a command whose statement is prepared for this once.
    static func run(_ command: Command, on handle: OpaquePointer) -> Bool {
        unsafe command.sql.withCString { sql in
            let parameters = command.parameters
            if !command.arrays.isEmpty {
                return unsafe withParameters(of: command.arrays) { values, lengths, formats in
                    unsafe PQsendQueryParams(
                        handle, sql, Int32(command.arrays.count), nil, values, lengths, formats, 0)
                        == 1
                }
            }
            if parameters.isEmpty {
                return unsafe PQsendQueryParams(handle, sql, 0, nil, nil, nil, nil, 0) == 1
            }
            return unsafe withCStrings(parameters) { values in
                unsafe PQsendQueryParams(
                    handle, sql, Int32(parameters.count), nil, values, nil, nil, 0) == 1
            }
        }
    }

    /// Sends a command whose statement the session has prepared, or is preparing, under a name.
    static func execute(_ name: String, _ command: Command, on handle: OpaquePointer) -> Bool {
        unsafe name.withCString { name in
            let parameters = command.parameters
            if !command.arrays.isEmpty {
                return unsafe withParameters(of: command.arrays) { values, lengths, formats in
                    unsafe PQsendQueryPrepared(
                        handle, name, Int32(command.arrays.count), values, lengths, formats, 0) == 1
                }
            }
            if parameters.isEmpty {
                return unsafe PQsendQueryPrepared(handle, name, 0, nil, nil, nil, 0) == 1
            }
            return unsafe withCStrings(parameters) { values in
                unsafe PQsendQueryPrepared(
                    handle, name, Int32(parameters.count), values, nil, nil, 0) == 1
            }
        }
    }
}
