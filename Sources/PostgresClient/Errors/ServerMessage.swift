import CLibpq

/// An error or a notice from the server.
///
/// `detail`, `context` and the names may hold values of rows ("Key (id)=(u1) already exists"), which
/// is why `description` leaves them out. Texts have at most 8192 bytes and names 256; a text that was cut
/// says so at its end.
package struct ServerMessage: Error, Hashable, Sendable {
    /// `ERROR`, `FATAL`, `PANIC`, `WARNING`, `NOTICE`, `DEBUG`, `INFO` or `LOG`, in English.
    package var severity: String
    /// The code.
    package var state: SQLState
    /// The primary text, in the server's language.
    package var message: String
    /// More on the problem.
    package var detail: String?
    /// The server's advice.
    package var hint: String?
    /// The position in the SQL, in characters from 1.
    package var position: Int?
    /// The code that raised it, innermost first: functions, their lines, their own statements.
    ///
    /// Nil if PostgreSQL itself raised it for the command; code in PL/pgSQL or SQL within the command has a
    /// context.
    package var context: String?
    /// The schema concerned.
    package var schema: String?
    /// The table concerned.
    package var table: String?
    /// The column concerned.
    package var column: String?
    /// The constraint that was violated.
    package var constraint: String?
    /// The function in the server's source that raised it.
    package var routine: String?
    /// Whether a cached statement was found unusable and forgotten: the same again may succeed.
    package internal(set) var forgotStatement = false
    /// The types of the parameters of the statement that failed, if it was prepared before and kept.
    var keptParameterTypes: [UInt32]?
    /// Whether it was raised by SQL that the statement called, and not by the statement itself.
    var isOfInnerQuery = false

    /// Makes a message, as a test or another client would.
    package init(
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

/// The cause of a message: callers' code can raise any SQLSTATE in any severity below FATAL, so the SQLSTATE
/// alone does not show it.
extension ServerMessage {
    /// Whether the session ends with it, so that what the command did is unknown.
    ///
    /// A backend that is ended inside COMMIT PREPARED answers FATAL 57P01, having committed. An ERROR
    /// with such a code, or with one of class 08, comes from code: RAISE, dblink or postgres_fdw.
    package var endsSession: Bool { severity == "FATAL" || severity == "PANIC" }

    /// Whether it was raised by code that ran in the command, a trigger's or a function's.
    package var isFromCode: Bool { context != nil }

    /// Whether it reports, for a commit or a PREPARE, that no standby has confirmed it: a cancelled wait is a
    /// success with a warning.
    ///
    /// To be safe, any warning counts that nothing shows to come from code.
    package var isCancelledStandbyWait: Bool {
        severity == "WARNING" && (routine == "SyncRepWaitForLSN" || !isFromCode)
    }
}

extension ServerMessage: CustomStringConvertible {
    /// Severity, code and primary text; no detail, which may hold values.
    package var description: String { "\(severity) \(state): \(message)" }
}

extension ServerMessage {
    /// The fields of an error, a warning or a notice.
    ///
    /// Nil if it has no SQLSTATE: then it is libpq's own, about the connection and not the command.
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
