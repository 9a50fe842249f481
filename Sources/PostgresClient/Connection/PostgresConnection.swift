import CLibpq
package import EventLoop

/// A session with a PostgreSQL server.
///
/// Commands are sent in segments, each ended by a Sync. Any number of calls may be under way; they
/// are answered in the order sent. The session is touched by the loop's thread only.
@safe
@LoopActor
package final class PostgresConnection {
    /// The state of a session, by the replies received so far.
    package enum TransactionStatus: Hashable, Sendable {
        /// Outside a transaction, nothing under way.
        case idle
        /// Commands are under way.
        case active
        /// In a transaction, nothing under way.
        case inTransaction
        /// In a transaction that failed and awaits its ROLLBACK.
        case inFailedTransaction
        /// The connection is closed.
        case unknown
    }

    /// The PID of the server process, as in `pg_stat_activity`.
    package let processID: Int32
    /// Called for every NOTIFY on a channel listened to, with channel and payload.
    package var onNotification: ((_ channel: String, _ payload: String) -> Void)?
    /// Called once when the connection ends; with `closed` if ``close()`` ended it.
    package var onClose: ((PostgresError) -> Void)?
    /// The same for the pool, which must not take the owner's place.
    var onCloseInPool: ((PostgresError) -> Void)?
    /// The pool that it is of, until it ends.
    var membership: PoolMembership?
    /// How many users share it; see ``SharedConnections``.
    var userCount = 0
    /// What the owner knows of the session: here it need not be looked up by the connection.
    package var attachment: AnyObject?
    /// Segments that were sent, or are about to be, and are not answered yet.
    package internal(set) var outstanding = 0

    let loop: EventLoop
    /// The PGconn; nil once closed.
    var handle: OpaquePointer?
    let descriptor: Int32
    var isWatchingWrites = false
    let statements: StatementCache
    /// What was sent and is not answered, the session's own housekeeping as well.
    let calls = CallQueue()
    /// Whether results are being taken, and perhaps a completion runs.
    var isDraining = false
    var segmentNumber: UInt64 = 0
    /// Types that are not built in, as far as they were looked up: arrays, and nil for all others.
    var arrayTypes: [UInt32: ArrayType?] = [:]

    /// Whether the first step has its result, and only awaits the NULL that ends it.
    var isHeadAnswered = false
    /// How often in a row libpq had nothing to say although something was expected.
    var silences = 0
    /// Why the statement could not be prepared that the next command is about to execute.
    var preparationFailure: ServerMessage?
    /// Notices that are kept of one command; a function may raise any number.
    static let noticesMax = 100
    var pendingNotices: [ServerMessage] = []
    /// Whether there are any, which is seldom.
    var hasNotices = false
    /// The server's last message, which explains the end of the connection.
    var lastWords: ServerMessage?

    /// Cancel requests under way, during which nothing new is sent.
    var cancelsUnderWay = 0
    var held: [(call: Call, segments: [[Command]])] = []

    /// Set for a deadline that is not later than that of any call; see `bound`.
    var timer: LoopTimer?
    var timerDeadline = Deadline.never

    /// Takes a PGconn over.
    private init(_ handle: OpaquePointer, statementsMax: Int, loop: EventLoop) {
        self.loop = loop
        unsafe self.handle = handle
        processID = unsafe PQbackendPID(handle)
        descriptor = unsafe PQsocket(handle)
        statements = StatementCache(capacity: statementsMax)
    }

    isolated deinit {
        // No call can be waiting: a waiting call holds the connection.
        timer?.cancel()
        if let handle = unsafe handle {
            loop.unwatch(descriptor)
            unsafe PQfinish(handle)
        }
    }

    /// Makes a connection of a PGconn that has just connected.
    static func adopt(
        _ handle: OpaquePointer, statementsMax: Int, loop: EventLoop
    ) -> Result<PostgresConnection, PostgresError> {
        let connection = unsafe PostgresConnection(
            handle, statementsMax: statementsMax, loop: loop)
        guard unsafe PQsetnonblocking(handle, 1) == 0, unsafe PQenterPipelineMode(handle) == 1
        else {
            return .failure(.unreachable("libpq cannot enter pipeline mode"))
        }
        unsafe connection.receiveNotices(of: handle)
        do {
            // Reads are watched as long as the connection is open, so that its end is noticed even
            // when no reply is expected.
            try loop.watch(connection.descriptor, for: .read) { [weak connection] in
                connection?.becameReady($0)
            }
        } catch {
            return .failure(.unreachable("\(error)"))
        }
        return .success(connection)
    }

    /// Whether commands can be sent, as far as is known.
    package var isOpen: Bool { unsafe handle != nil }

    /// The state of the session.
    package var transactionStatus: TransactionStatus {
        guard let handle = unsafe handle else { return .unknown }
        if outstanding > 0 || !calls.isEmpty { return .active }
        return switch unsafe PQtransactionStatus(handle) {
        case PQTRANS_IDLE: .idle
        case PQTRANS_INTRANS: .inTransaction
        case PQTRANS_INERROR: .inFailedTransaction
        case PQTRANS_ACTIVE: .active
        default: .unknown
        }
    }

    /// Whether a transaction is open, failed or not, with nothing under way.
    package var isInTransaction: Bool {
        transactionStatus == .inTransaction || transactionStatus == .inFailedTransaction
    }

    /// A setting that the server reports by itself, for example `server_version`; else nil.
    package func parameter(_ name: String) -> String? {
        guard let handle = unsafe handle, let value = unsafe PQparameterStatus(handle, name) else {
            return nil
        }
        return unsafe String(cString: value)
    }

    /// The server's version as a number, for example 150018; 0 once closed.
    package var serverVersion: Int { unsafe handle.map { Int(unsafe PQserverVersion($0)) } ?? 0 }
}
