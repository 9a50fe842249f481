/// Why a call failed, or why its outcome is unknown.
///
/// Descriptions hold neither values of parameters nor passwords.
package enum PostgresError: Error, Hashable, Sendable {
    /// The connection string is malformed; with the reason.
    case invalidConninfo(String)
    /// No connection came about: no route, no listener, no answer in time, no such name.
    case unreachable(String)
    /// A server was reached and refused the session.
    indirect case refused(ServerMessage)
    /// The connection was lost while the commands were, or may have been, under way.
    case connectionLost(String)
    /// The server refused a command.
    indirect case server(ServerMessage)
    /// No answer in time. The connection was closed; the commands may have run, or still run.
    case timedOut
    /// The pool had no connection to give in time. Nothing was sent.
    case poolExhausted
    /// The connection or pool was closed before. Nothing was sent.
    case closed

    /// Whether the commands may have taken effect although this is no success.
    package var isOutcomeUnknown: Bool {
        switch self {
        case .connectionLost, .timedOut: true
        case .server(let message): message.endsSession
        case .invalidConninfo, .unreachable, .refused, .poolExhausted, .closed: false
        }
    }
}

extension PostgresError: CustomStringConvertible {
    /// A sentence for a log.
    package var description: String {
        switch self {
        case .invalidConninfo(let reason): "invalid connection string: \(reason)"
        case .unreachable(let reason): "cannot connect: \(reason)"
        case .refused(let message): "the server refused the connection: \(message)"
        case .connectionLost(let reason): "connection lost, outcome unknown: \(reason)"
        case .server(let message): "\(message)"
        case .timedOut: "no answer in time, outcome unknown; the connection was closed"
        case .poolExhausted: "no connection became free in time; nothing was sent"
        case .closed: "closed; nothing was sent"
        }
    }
}
