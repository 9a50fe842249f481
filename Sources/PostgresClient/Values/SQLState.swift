/// A five-character error code of PostgreSQL.
public struct SQLState: RawRepresentable, Hashable, Sendable {
    /// The code.
    public let rawValue: String

    /// Takes a code as it came.
    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    /// The class: the first two characters.
    public var category: Substring { rawValue.prefix(2) }

    /// 42704: no such object, for instance no such gid.
    public static let undefinedObject = SQLState(rawValue: "42704")
    /// 0A000: not supported, for instance in a transaction that is to be prepared.
    public static let featureNotSupported = SQLState(rawValue: "0A000")
    /// 26000: no prepared statement of this name.
    public static let invalidSQLStatementName = SQLState(rawValue: "26000")
    /// 57014: cancelled, by a request or by a timeout.
    public static let queryCanceled = SQLState(rawValue: "57014")
    /// 55000: an object is not in the state that is needed.
    public static let objectNotInPrerequisiteState = SQLState(rawValue: "55000")
}

/// An error or a notice as the server words it.
public struct ServerMessage: Error, Hashable, Sendable, CustomStringConvertible {
    /// `ERROR`, `FATAL`, `WARNING`, ..., never translated.
    public let severity: String
    /// The code.
    public let state: SQLState
    /// The primary message.
    public let message: String
    /// The detail, if any; it may quote values.
    public let detail: String?
    /// The hint, if any.
    public let hint: String?
    /// The constraint that was violated, if any.
    public let constraint: String?
    /// The server's function that reported it.
    public let routine: String?

    /// Severity, code and primary message; safe to log.
    public var description: String { "\(severity) \(state.rawValue): \(message)" }
}

/// What can go wrong with a connection.
///
/// Descriptions are safe to log: they hold no parameter and no password.
public enum PostgresError: Error, Sendable, CustomStringConvertible {
    /// The connection string cannot be read.
    case invalidConninfo(String)
    /// No connection could be made.
    case unreachable(String)
    /// The connection was lost; what had been sent may or may not have run.
    case connectionLost(String)
    /// The server answered with an error.
    case server(ServerMessage)
    /// No answer came in time, and the connection was closed; what had been sent may have run.
    case timedOut
    /// The connection or the pool had been closed before anything was sent.
    case closed
    /// No connection became free in time.
    case poolExhausted

    /// One sentence.
    public var description: String {
        switch self {
        case .invalidConninfo(let reason): "the connection string is invalid: \(reason)"
        case .unreachable(let reason): "no connection: \(reason)"
        case .connectionLost(let reason): "connection lost: \(reason)"
        case .server(let message): message.description
        case .timedOut: "no answer in time"
        case .closed: "the connection is closed"
        case .poolExhausted: "no connection became free in time"
        }
    }
}
