import CLibpq

/// One SQL command with its parameters, in PostgreSQL's text form.
public struct Command: Sendable {
    /// The SQL; one command, for the extended protocol takes no more.
    public let sql: String
    /// The parameters; nil for NULL.
    public let parameters: [String?]
    /// Whether it is prepared once a connection and SQL text.
    public let isCached: Bool

    /// Makes a command of its parts.
    public init(_ sql: String, _ parameters: [String?] = [], cached: Bool = true) {
        self.sql = sql
        self.parameters = parameters
        isCached = cached
    }
}

/// How much one call may return.
public struct ResultLimits: Sendable {
    /// Rows, over all commands of the call.
    public let rows: Int
    /// Bytes of values, over all commands of the call.
    public let bytes: Int

    /// Makes limits of their parts.
    public init(rows: Int, bytes: Int) {
        self.rows = rows
        self.bytes = bytes
    }
}

/// The answer to one command.
public enum CommandReply: Sendable {
    /// It ran.
    case completed(CommandResult)
    /// The server refused it.
    case failed(ServerMessage)
    /// It returned more than the call's limits, and was cancelled for that.
    case exceeded
    /// An earlier command of its segment failed, so it did not run.
    case skipped
}

/// A column of a result.
public struct Column: Hashable, Sendable {
    /// The name.
    public let name: String
    /// The type's OID in `pg_type`.
    public let typeOID: UInt32
}

/// What a command answered.
public struct CommandResult: Sendable {
    /// The command tag, such as `INSERT 0 1`.
    public let tag: String
    /// The columns; empty if it returns no rows.
    public let columns: [Column]
    /// Notices raised while it ran.
    public internal(set) var notices: [ServerMessage] = []
    /// Whether rows were dropped because of the call's limits.
    public internal(set) var isTruncated = false
    let chunks: [ResultHandle]
    /// The number of rows kept.
    public let rowCount: Int

    init(last: ResultHandle, rows: [ResultHandle]) {
        tag = String(cString: PQcmdStatus(last.pointer))
        let source = rows.first ?? last
        columns = (0..<PQnfields(source.pointer)).map { index in
            Column(
                name: String(cString: PQfname(source.pointer, index)),
                typeOID: PQftype(source.pointer, index))
        }
        chunks = rows.isEmpty ? [last] : rows
        rowCount = rows.isEmpty ? Int(PQntuples(last.pointer)) : rows.count
    }

    /// The count in the tag; nil if the tag has none.
    public var affectedRows: Int? {
        tag.split(separator: " ").last.flatMap { Int($0) }
    }

    /// A value in text form; nil for NULL, and outside the result.
    public func text(row: Int, column: Int) -> String? {
        guard row >= 0, row < rowCount, column >= 0, column < columns.count else { return nil }
        // Rows that came one by one lie in a result each.
        let isSplit = chunks.count > 1
        let result = chunks[isSplit ? row : 0].pointer
        let index = Int32(isSplit ? 0 : row)
        guard PQgetisnull(result, index, Int32(column)) == 0,
            let value = PQgetvalue(result, index, Int32(column))
        else { return nil }
        let length = Int(PQgetlength(result, index, Int32(column)))
        return String(
            decoding: UnsafeRawBufferPointer(start: value, count: length), as: UTF8.self)
    }
}

/// A `PGresult`, freed when nobody holds it any more.
///
/// libpq never changes a finished result, so it may be read from any thread.
final class ResultHandle: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit { PQclear(pointer) }

    var message: ServerMessage {
        func field(_ code: Unicode.Scalar) -> String? {
            PQresultErrorField(pointer, Int32(code.value)).map { String(cString: $0) }
        }
        return ServerMessage(
            severity: field("V") ?? field("S") ?? "ERROR",
            state: SQLState(rawValue: field("C") ?? ""), message: field("M") ?? "",
            detail: field("D"), hint: field("H"), constraint: field("n"), routine: field("R"))
    }

    var valueBytes: Int {
        (0..<PQnfields(pointer)).reduce(0) { $0 + Int(PQgetlength(pointer, 0, $1)) }
    }
}
