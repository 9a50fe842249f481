import CLibpq

/// An error or a notice from the server.
///
/// `detail` and the names may hold values of rows ("Key (id)=(u1) already exists"), which is why
/// `description` leaves them out.
public struct ServerMessage: Error, Hashable, Sendable {
    /// `ERROR`, `FATAL`, `PANIC`, `WARNING`, `NOTICE`, `DEBUG`, `INFO` or `LOG`, in English.
    public var severity: String
    /// The code.
    public var state: SQLState
    /// The primary text, in the server's language.
    public var message: String
    /// More on the problem.
    public var detail: String?
    /// What to do about it.
    public var hint: String?
    /// Where in the SQL, in characters from 1.
    public var position: Int?
    /// The schema concerned.
    public var schema: String?
    /// The table concerned.
    public var table: String?
    /// The column concerned.
    public var column: String?
    /// The constraint that was violated.
    public var constraint: String?
    /// The function in the server's source that raised it.
    public var routine: String?
    /// Whether a cached statement was found unusable and forgotten: the same again may succeed.
    public internal(set) var forgotStatement = false

    /// Makes a message, as a test or another client would.
    public init(
        severity: String = "ERROR", state: SQLState, message: String, detail: String? = nil,
        hint: String? = nil
    ) {
        self.severity = severity
        self.state = state
        self.message = message
        self.detail = detail
        self.hint = hint
    }
}

extension ServerMessage: CustomStringConvertible {
    /// Severity, code and primary text; no detail, which may hold values.
    public var description: String { "\(severity) \(state): \(message)" }
}

extension ServerMessage {
    /// The fields of an error, a warning or a notice.
    ///
    /// Nil if it has no code: libpq made it up itself, about the connection and not the command.
    init?(_ result: OpaquePointer) {
        func field(_ code: Character) -> String? {
            guard let ascii = code.asciiValue,
                let text = unsafe PQresultErrorField(result, Int32(ascii))
            else { return nil }
            return unsafe String(cString: text)
        }
        guard let state = field("C") else { return nil }
        self.init(
            severity: field("V") ?? field("S") ?? "ERROR", state: SQLState(rawValue: state),
            message: field("M") ?? "", detail: field("D"), hint: field("H"))
        position = field("P").flatMap { Int($0) }
        schema = field("s")
        table = field("t")
        column = field("c")
        constraint = field("n")
        routine = field("R")
    }
}
