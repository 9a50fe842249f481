import CLibpq

/// An error or a notice from the server.
///
/// `detail`, `context` and the names may hold values of rows ("Key (id)=(u1) already exists"), which
/// is why `description` leaves them out. Texts have at most 8192 bytes and names 256, and what is cut
/// off is told at the end.
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
    /// In which code it was raised, innermost first: functions, their lines, their own statements.
    ///
    /// Nil says that PostgreSQL itself speaks of the command; whatever runs in PL/pgSQL or SQL within
    /// it has a context.
    public var context: String?
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
    /// The types of the parameters of the statement that failed, if it was prepared before and kept.
    var keptParameterTypes: [UInt32]?
    /// Whether it was raised by SQL that the statement called, and not by the statement itself.
    var isOfInnerQuery = false

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

/// Who speaks: callers' code can raise any code in any severity below FATAL, so that a code says
/// nothing of its cause.
extension ServerMessage {
    /// Whether the session ends with it, so that what the command did is unknown.
    ///
    /// A backend that is ended inside COMMIT PREPARED answers FATAL 57P01, having committed. An ERROR
    /// with such a code, or with one of class 08, comes from code: RAISE, dblink or postgres_fdw.
    public var endsSession: Bool { severity == "FATAL" || severity == "PANIC" }

    /// Whether it was raised by code that ran in the command, a trigger's or a function's.
    public var isFromCode: Bool { context != nil }

    /// Whether a commit or a PREPARE says with it that no standby has confirmed it: a cancelled wait
    /// is a success with a warning.
    ///
    /// A warning of which nothing says that it is from code is taken for it as well, to be safe.
    public var isCancelledStandbyWait: Bool {
        severity == "WARNING" && (routine == "SyncRepWaitForLSN" || !isFromCode)
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
        func field(_ code: Character, max: Int) -> String? {
            guard let ascii = code.asciiValue,
                let text = unsafe PQresultErrorField(result, Int32(ascii))
            else { return nil }
            return unsafe ServerText.string(text, max: max)
        }
        func name(_ code: Character) -> String? { field(code, max: ServerText.nameBytesMax) }
        func text(_ code: Character) -> String? { field(code, max: ServerText.textBytesMax) }
        guard let state = name("C") else { return nil }
        self.init(
            severity: name("V") ?? name("S") ?? "ERROR", state: SQLState(rawValue: state),
            message: text("M") ?? "", detail: text("D"), hint: text("H"))
        position = name("P").flatMap { Int($0) }
        // The text of a function's failing statement ("q") stays out: the context has its place.
        context = text("W")
        schema = name("s")
        table = name("t")
        column = name("c")
        constraint = name("n")
        routine = name("R")
        isOfInnerQuery = name("q") != nil
    }
}
