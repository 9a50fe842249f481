public import EventLoop
public import Logging
public import PostgresClient

/// How to use the state database.
public struct StateOptions: Sendable {
    /// Where it is.
    public var connection: ConnectionOptions
    /// This replica's name.
    public var replica: String
    /// The participants that this replica knows; others leave it the rows that they do not.
    public var participants: [String] = []
    /// Sessions for reads.
    public var readers = 2
    /// A flush or read that takes longer counts as lost.
    public var timeout: Duration = .seconds(5)
    /// Between two heartbeats.
    public var heartbeat: Duration = .seconds(2)
    /// A replica that was silent for longer has its work taken over.
    public var lease: Duration = .seconds(10)
    /// Accept a database that runs with `fsync = off`; for throwaway ones.
    public var allowsFsyncOff = false

    /// Whether a promoted standby has every commit.
    ///
    /// Then a new timeline of the same system loses nothing. A restore does, whatever is said here.
    public var isSynchronouslyReplicated = false

    /// Makes options with the defaults.
    public init(connection: ConnectionOptions, replica: String) {
        self.connection = connection
        self.replica = replica
    }
}

/// The coordinator's own database: its connections, this replica's epoch, and the heartbeat.
@LoopActor
public final class StateDatabase {
    /// The options in force.
    public nonisolated let options: StateOptions
    /// The installation's UUID.
    public nonisolated let installation: String
    /// The epoch that this life of the replica took.
    public nonisolated let epoch: Int64
    /// Each caller of ``waitUntilSuperseded()`` has a stream of its own, since cancelling a task that
    /// reads a stream ends it for all readers.
    private var supersessionWaiters: [AsyncStream<Never>.Continuation] = []

    /// Why nothing absent is believed, if so; see `StateIdentity`.
    public var quarantineReason: String? { identity.quarantineReason }

    nonisolated var replica: String { options.replica }
    nonisolated var timeout: Duration { options.timeout }
    let readers: ConnectionPool
    /// One session for the lease alone: the readers may all be waiting for locks that somebody holds.
    let leaseRenewer: ConnectionPool
    let identity: StateIdentity
    private var writer: PostgresConnection?
    private let logger: Logger
    private(set) var isSuperseded = false
    /// Set before this life is given up, and never again.
    private var closing: Task<Void, Never>?
    var isClosed: Bool { closing != nil }
    private var heartbeatTimer: LoopTimer?
    /// Why the last heartbeat, or the last attempt to connect, failed; nil if it succeeded.
    public private(set) var failure: StateDatabaseError?

    private init(
        options: StateOptions, installation: String, epoch: Int64, writer: PostgresConnection,
        identity: StateIdentity, logger: Logger
    ) {
        self.options = options
        self.installation = installation
        self.epoch = epoch
        self.writer = writer
        self.identity = identity
        self.logger = logger
        let timeout = options.timeout
        let allowsFsyncOff = options.allowsFsyncOff
        func pool(_ size: Int) -> ConnectionPool {
            ConnectionPool(
                options: options.connection, size: size, minimumIdle: 1, connectTimeout: timeout,
                prepare: {
                    try await Self.examine(
                        $0, .state(lockTimeout: timeout), allowsFsyncOff: allowsFsyncOff, timeout)
                    try await identity.check($0)
                })
        }
        readers = pool(options.readers)
        leaseRenewer = pool(1)
    }

    /// Connects, migrates, and takes a new epoch for this replica's name: an older process of that
    /// name is superseded from then on, and its unfinished work is this one's at once.
    public static func open(
        _ options: StateOptions, logger: Logger
    ) async throws(StateDatabaseError) -> StateDatabase {
        let writer = try await connect(options)
        do {
            return try await withTaskCancellationHandler {
                try await open(options, writer, logger)
            } onCancel: {
                // A lock there, or a server that has become silent, holds nobody who gives up.
                EventLoop.shared.execute { writer.close() }
            }
        } catch {
            throw StateDatabaseError(error)
        }
    }

    private static func open(
        _ options: StateOptions, _ writer: PostgresConnection, _ logger: Logger
    ) async throws -> StateDatabase {
        let applied = try await Migrator.migrate(writer)
        if !applied.isEmpty { logger.notice("migrated", metadata: ["numbers": "\(applied)"]) }
        let row = try await writer.query("SELECT id FROM tandem.installation")
        guard let installation = row.text(row: 0, column: 0) else {
            throw StateDatabaseError.unusable(reason: "it knows no installation")
        }
        let identity = StateIdentity(options: options, logger: logger)
        try await identity.check(writer)
        let epoch = try await begin(incarnationOf: options, on: writer)
        let state = StateDatabase(
            options: options, installation: installation, epoch: epoch, writer: writer,
            identity: identity, logger: logger)
        state.scheduleHeartbeat()
        return state
    }

    /// Connects once, examines the server and sets the session up for writing decisions.
    public static func connect(
        _ options: StateOptions
    ) async throws(StateDatabaseError) -> PostgresConnection {
        try await connect(options) { _ in }
    }

    /// The same with one more thing that a server has to pass.
    private static func connect(
        _ options: StateOptions, _ check: @escaping PostgresConnection.Preparation
    ) async throws(StateDatabaseError) -> PostgresConnection {
        do {
            return try await PostgresConnection.connect(
                options.connection, timeout: options.timeout
            ) {
                try await examine(
                    $0, .state(), allowsFsyncOff: options.allowsFsyncOff, options.timeout)
                try await check($0)
            }
        } catch {
            throw StateDatabaseError(error)
        }
    }

    /// Sets a session up, whatever its role and database have as defaults, and examines the server, in
    /// one round trip.
    private static func examine(
        _ connection: PostgresConnection, _ settings: SessionSettings, allowsFsyncOff: Bool,
        _ timeout: Duration
    ) async throws {
        let question = Command(
            """
            SELECT pg_is_in_recovery(), current_setting('fsync'),
                current_setting('server_encoding'), \(doubtfulSettings)
            """)
        let row = try await connection.set(settings, thenAsk: question, timeout: timeout)
        guard row.text(row: 0, column: 0) == "f" else { throw StateDatabaseError.isStandby }
        guard allowsFsyncOff || row.text(row: 0, column: 1) == "on" else {
            throw StateDatabaseError.fsyncOff
        }
        guard let encoding = row.text(row: 0, column: 2), holdsEveryText(encoding) else {
            throw StateDatabaseError.encoding(row.text(row: 0, column: 2) ?? "unknown")
        }
        if let settings = row.text(row: 0, column: 3) {
            throw StateDatabaseError.unsafeSettings(settings)
        }
    }

    /// Without its triggers nothing would refuse to change a decision.
    private static let doubtfulSettings = SessionAdmission.doubtful([
        (name: "session_replication_role", value: "replica")
    ])

    /// The settings with which the state database must not be used, if it has them.
    static func unsafeSettings(_ connection: PostgresConnection) async throws -> String? {
        try await connection.query("SELECT \(doubtfulSettings)", timeout: Diagnostics.patience)
            .text(row: 0, column: 0)
    }

    /// Whether a text can be stored whatever is in it: `SQL_ASCII` takes all bytes as they are.
    nonisolated static func holdsEveryText(_ encoding: String) -> Bool {
        ["UTF8", "SQL_ASCII"].contains(encoding)
    }

    /// The one connection that writes decisions; made again when it was lost.
    func writerConnection() async throws(StateDatabaseError) -> PostgresConnection {
        guard !isSuperseded else { throw .superseded(replica: replica) }
        guard !isClosed else { throw .closed }
        if let writer, writer.isOpen { return writer }
        do {
            let fresh = try await connect()
            writer = fresh
            failure = nil
            return fresh
        } catch {
            let found = StateDatabaseError(error)
            failure = found
            throw found
        }
    }

    /// Opens another session, to the server that this life knows or to one that took its place.
    func connect() async throws(StateDatabaseError) -> PostgresConnection {
        try await Self.connect(options) { [identity] in try await identity.check($0) }
    }

    func closeWriter() {
        writer?.close()
        writer = nil
    }

    /// Runs one statement on a reading session.
    func read(_ sql: String, _ parameters: [String?]) async throws -> CommandResult {
        try await readers.withConnection(timeout: timeout) { connection in
            try await connection.query(sql, parameters, timeout: self.timeout)
        }
    }

    /// Runs one writing statement by itself, and answers only if its commit is as durable as the
    /// database promises: a wait for a standby that was cut short is a success with a warning.
    func write(_ sql: String, _ parameters: [String?]) async throws -> CommandResult {
        try await write([Command(sql, parameters)])[0]
    }

    /// The same with parameters that are asked for when there is a session to send them on.
    func write(
        _ sql: String, parameters: @LoopActor () async -> [String?]
    ) async throws -> CommandResult {
        try await readers.withConnection(timeout: timeout) { connection in
            let command = Command(sql, await parameters())
            return try await Self.write([command], on: connection, timeout: self.timeout)[0]
        }
    }

    /// The same for several statements in one transaction.
    func write(_ commands: [Command]) async throws -> [CommandResult] {
        try await readers.withConnection(timeout: timeout) { connection in
            try await Self.write(commands, on: connection, timeout: self.timeout)
        }
    }

    static func write(
        _ commands: [Command], on connection: PostgresConnection, timeout: Duration
    ) async throws -> [CommandResult] {
        let replies = try await connection.execute(
            [[Command("BEGIN")] + commands + [Command("COMMIT")]], timeout: timeout)[0]
        var results: [CommandResult] = []
        for reply in replies {
            switch reply {
            case .completed(let result):
                results.append(result)
            case .failed(let message):
                if connection.isInTransaction {
                    _ = try await connection.execute([[Command("ROLLBACK")]], timeout: timeout)
                }
                throw PostgresError.server(message)
            case .skipped, .exceeded:
                throw StateDatabaseError.unusable(reason: "it skipped a command")
            }
        }
        guard let commit = results.last, commit.tag == "COMMIT" else {
            throw StateDatabaseError.unusable(reason: "it did not commit")
        }
        guard !commit.isUnconfirmed else { throw StateDatabaseError.unconfirmed }
        return Array(results.dropFirst().dropLast())
    }

    /// This life was found over.
    ///
    /// Once it is being given up that is no news: a heartbeat or a flush that was under way may find
    /// what `close` has just written.
    func superseded() {
        guard !isClosed else { return }
        reportSuperseded()
    }

    private func reportSuperseded() {
        guard !isSuperseded else { return }
        isSuperseded = true
        logger.critical("\(StateDatabaseError.superseded(replica: replica))")
        for waiter in supersessionWaiters { waiter.finish() }
        supersessionWaiters = []
    }

    /// Returns when another process has taken this replica's name, or when the task is cancelled.
    public func waitUntilSuperseded() async {
        guard !isSuperseded else { return }
        let (supersession, waiter) = AsyncStream<Never>.makeStream()
        supersessionWaiters.append(waiter)
        for await _ in supersession {}
    }

    private func scheduleHeartbeat() {
        guard !isClosed, !isSuperseded else { return }
        heartbeatTimer = EventLoop.shared.schedule(after: options.heartbeat) { [weak self] in
            Task { await self?.beat() }
        }
    }

    func beat() async {
        do {
            let isAlive = try await renewLease()
            failure = nil
            if !isAlive { superseded() }
        } catch {
            let found = StateDatabaseError(error)
            failure = found
            logger.warning("a heartbeat failed", metadata: ["error": "\(found)"])
        }
        scheduleHeartbeat()
    }

    /// Gives the lease up, so that others need not wait for its end, and closes every connection;
    /// returns when that is done, whoever began it.
    public func close() async {
        if closing == nil { closing = Task { await giveUp() } }
        await closing?.value
    }

    private func giveUp() async {
        heartbeatTimer?.cancel()
        // Who took this name earlier, and was not noticed yet, is news still.
        if let wasAlive = try? await endOwnIncarnation(), !wasAlive { reportSuperseded() }
        closeWriter()
        await leaseRenewer.close()
        await readers.close()
    }
}
