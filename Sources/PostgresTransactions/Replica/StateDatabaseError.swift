package import PostgresClient
import TransactionEngine

/// Why the state database cannot be used, or did not do what it was asked.
package enum StateDatabaseError: Error, Sendable, CustomStringConvertible {
    /// It cannot be connected to.
    case unreachable(reason: String)
    /// The connection was lost; the statements sent on it may have run.
    case connectionLost(reason: String)
    /// It took too long to answer; the statements sent may have run.
    case timedOut
    /// No connection became free in time; nothing was sent.
    case noConnectionFree
    /// It refused a connection or a statement.
    case refused(ServerMessage)
    /// It committed, but no standby has confirmed the commit.
    case unconfirmed
    /// It did not answer as expected; the sentence says what it did.
    case unusable(reason: String)
    /// This replica has closed it.
    case closed
    /// It is a standby.
    case isStandby
    /// It runs with `fsync = off`, so that no decision would be durable.
    case fsyncOff
    /// Its encoding cannot hold every text, so some transactions could never be recorded.
    case encoding(String)
    /// Its sessions have settings with which records could change or be lost without an error.
    case unsafeSettings(String)
    /// Its role has rights with which decisions could be changed; the sentence says which.
    case privilegedRole(String)
    /// A later version of tandem has migrated it.
    case newerSchema(found: Int, known: Int)
    /// A migration failed, and was rolled back.
    case migration(reason: String)
    /// Another process has taken this replica's name, or taken its work over.
    case superseded(replica: String)

    /// Classifies an error.
    init(_ error: any Error) {
        switch error {
        case let error as StateDatabaseError: self = error
        case let error as PostgresError: self.init(error)
        default: self = .unusable(reason: "\(error)")
        }
    }

    private init(_ error: PostgresError) {
        self =
            switch error {
            case .invalidConninfo, .unreachable: .unreachable(reason: "\(error)")
            case .connectionLost(let reason): .connectionLost(reason: reason)
            case .timedOut: .timedOut
            case .poolExhausted: .noConnectionFree
            case .refused(let message), .server(let message): .refused(message)
            case .closed: .closed
            }
    }

    /// One sentence for operators and logs, with the server's own words.
    package var description: String {
        switch self {
        case .unreachable(let reason):
            "the state database cannot be reached: \(reason)"
        case .connectionLost(let reason):
            "\(sentence): \(reason)"
        case .refused(let message):
            "the state database refused a statement: \(message)"
        case .unusable(let reason):
            "the state database cannot be used: \(reason)"
        case .encoding(let name):
            "the state database's encoding is \(name), which cannot hold every text that callers "
                + "send; create the database with ENCODING 'UTF8'"
        case .unsafeSettings(let settings):
            "sessions of the state database have \(settings), with which rows could change or be "
                + "missing without an error; reset that for this role and database"
        case .privilegedRole(let sentence):
            "no trigger of the state database stops a role with such rights, and \(sentence); or "
                + "set state.allowPrivilegedRole: true"
        case .newerSchema(let found, let known):
            "the state database's schema is at migration \(found), and this tandem knows only "
                + "\(known): run a newer tandem"
        case .migration(let reason):
            "the state database could not be migrated: \(reason)"
        case .fsyncOff:
            "the state database runs with fsync = off, so no decision would survive a crash; "
                + "turn it on, or set state.allowFsyncOff for throwaway databases"
        case .superseded(let replica):
            "another process has started as replica \"\(replica)\", or this one sent no heartbeat "
                + "for longer than its lease and another replica took its work over. This process "
                + "stops. Give every replica a name of its own, and start it again"
        case .timedOut, .noConnectionFree, .unconfirmed, .closed, .isStandby:
            sentence
        }
    }

    /// One sentence for callers, without addresses and without the server's own text, which may
    /// contain values of other callers.
    package var sentence: String {
        switch self {
        case .unreachable: "the state database cannot be reached"
        case .connectionLost: "the connection to the state database was lost"
        case .timedOut: "the state database did not answer in time"
        case .noConnectionFree: "no connection to the state database became free in time"
        case .refused(let message):
            "the state database refused a statement (SQLSTATE \(message.state)); "
                + "the log and /readyz?verbose say more"
        case .unconfirmed:
            "a commit of the state database may not be durable: the wait for its standby was "
                + "cancelled"
        case .closed: "this replica has closed the state database"
        case .isStandby: "the state database is a standby; tandem needs the primary"
        case .unusable, .fsyncOff, .encoding, .unsafeSettings, .privilegedRole, .newerSchema,
            .migration:
            "the state database cannot be used; the log and /readyz?verbose say why"
        case .superseded: "another process has taken this replica's name or its work over"
        }
    }
}

extension LogUnavailable {
    /// The reason as callers may read it.
    init(_ error: any Error) {
        self = error as? LogUnavailable ?? LogUnavailable(StateDatabaseError(error).sentence)
    }
}
