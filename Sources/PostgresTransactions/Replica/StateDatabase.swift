package import EventLoop
package import Logging
package import PostgresClient
package import TransactionEngine

/// The coordinator's own database: its connections, this replica's epoch, and the heartbeat.
@LoopActor
package final class StateDatabase {
    /// The options in force.
    package nonisolated let options: StateOptions
    /// The installation's UUID.
    package nonisolated let installation: String
    /// The epoch of this incarnation of the replica.
    package nonisolated let epoch: Int64
    /// Each caller of ``waitUntilSuperseded()`` has a stream of its own, since cancelling a task that
    /// reads a stream ends it for all readers.
    private var supersessionWaiters: [AsyncStream<Never>.Continuation] = []

    /// Why the installation is quarantined; nil if it is not.
    ///
    /// See `StateIdentity`.
    package var quarantineReason: String? { identity.quarantineReason }

    nonisolated var replica: String { options.replica }
    nonisolated var timeout: Duration { options.timeout }
    let readers: ConnectionPool
    /// One session for the lease alone: the readers may all be waiting for locks.
    let leaseRenewer: ConnectionPool
    let identity: StateIdentity
    private let hazardWatch: HazardWatch
    /// What on the server can make it lose decisions, as it was read last.
    package var hazards: HazardSurvey? { hazardWatch.survey }
    private var writer: PostgresConnection?
    let loop: EventLoop
    private let logger: Logger
    private(set) var isSuperseded = false
    /// Set before this incarnation is given up, and never again.
    private var closing: Task<Void, Never>?
    var isClosed: Bool { closing != nil }
    private var heartbeatTimer: LoopTimer?
    /// Why the last heartbeat, or the last attempt to connect, failed; nil if it succeeded.
    package private(set) var failure: StateDatabaseError?

    private init(
        options: StateOptions, installation: String, epoch: Int64, writer: PostgresConnection,
        identity: StateIdentity, loop: EventLoop, logger: Logger
    ) {
        self.options = options
        self.installation = installation
        self.epoch = epoch
        self.writer = writer
        self.identity = identity
        self.loop = loop
        self.logger = logger
        hazardWatch = HazardWatch(
            participant: nil, every: options.hazardInterval, loop: loop, logger: logger)
        let timeout = options.timeout
        func pool(_ size: Int) -> ConnectionPool {
            ConnectionPool(
                options: options.connection, size: size, minimumIdle: 1, connectTimeout: timeout,
                loop: loop,
                prepare: {
                    try await Self.examine($0, with: .state(lockTimeout: timeout), options)
                    try await identity.check($0)
                })
        }
        readers = pool(options.readers)
        leaseRenewer = pool(1)
    }

    /// Connects, migrates, and takes a new epoch for this replica's name: an older process of that
    /// name is superseded from then on, and its unfinished work is this one's at once.
    package static func open(
        _ options: StateOptions, loop: EventLoop, logger: Logger
    ) async throws(StateDatabaseError) -> StateDatabase {
        let writer = try await connect(options, loop: loop)
        do {
            return try await withTaskCancellationHandler {
                try await open(options, on: writer, loop: loop, logger: logger)
            } onCancel: {
                // So that neither a lock nor a silent server holds a caller that gives up.
                loop.execute { writer.close() }
            }
        } catch {
            throw StateDatabaseError(error)
        }
    }

    private static func open(
        _ options: StateOptions, on writer: PostgresConnection, loop: EventLoop, logger: Logger
    ) async throws -> StateDatabase {
        let applied = try await Migrator.migrate(writer)
        if !applied.isEmpty { logger.notice("migrated", metadata: ["numbers": "\(applied)"]) }
        let id = RowFormat { $0.text("id") }
        let result = try await writer.query("SELECT \(id.columns) FROM tandem.installation")
        guard let installation = id.first(of: result) else {
            throw StateDatabaseError.unusable(reason: "tandem.installation has no row")
        }
        let identity = StateIdentity(options: options, logger: logger)
        try await identity.check(writer)
        let epoch = try await begin(incarnationOf: options, on: writer)
        let state = StateDatabase(
            options: options, installation: installation, epoch: epoch, writer: writer,
            identity: identity, loop: loop, logger: logger)
        state.scheduleHeartbeat()
        return state
    }

    /// Connects once, examines the server and sets the session up for writing decisions.
    package static func connect(
        _ options: StateOptions, loop: EventLoop
    ) async throws(StateDatabaseError) -> PostgresConnection {
        try await connect(options, loop: loop) { _ in }
    }

    /// The same with one more check of the server.
    private static func connect(
        _ options: StateOptions, loop: EventLoop,
        _ check: @escaping PostgresConnection.Preparation
    ) async throws(StateDatabaseError) -> PostgresConnection {
        do {
            return try await PostgresConnection.connect(
                options.connection, timeout: options.timeout, loop: loop
            ) {
                try await examine($0, with: .state(), options)
                try await check($0)
            }
        } catch {
            throw StateDatabaseError(error)
        }
    }

    /// What a new session says of its server.
    private static let examination = RowFormat { row in
        (
            isStandby: row.text("pg_is_in_recovery()") != "f",
            isFsyncOn: row.text("current_setting('fsync')") == "on",
            encoding: row.text("current_setting('server_encoding')"),
            unsafeSettings: row.text(doubtfulSettings),
            excess: ExcessRights(
                role: row.text("session_user") ?? "", rights: row.list(ExcessRights.columns[0]),
                remedies: row.list(ExcessRights.columns[1]))
        )
    }

    /// Sets a session up, whatever defaults its role and database have, and examines the server, in
    /// one round trip.
    private static func examine(
        _ connection: PostgresConnection, with settings: SessionSettings, _ options: StateOptions
    ) async throws {
        let result = try await connection.set(
            settings, thenRun: Command("SELECT \(examination.columns)"), timeout: options.timeout)
        guard let found = examination.first(of: result), !found.isStandby else {
            throw StateDatabaseError.isStandby
        }
        guard options.allowsFsyncOff || found.isFsyncOn else { throw StateDatabaseError.fsyncOff }
        guard let encoding = found.encoding, holdsEveryText(encoding) else {
            throw StateDatabaseError.encoding(found.encoding ?? "unknown")
        }
        if let settings = found.unsafeSettings { throw StateDatabaseError.unsafeSettings(settings) }
        if !options.allowsPrivilegedRole, let excess = found.excess {
            throw StateDatabaseError.privilegedRole(excess.sentence)
        }
    }

    /// With these settings no trigger would refuse to change a decision.
    private nonisolated static let doubtfulSettings = SessionAdmission.doubtful([
        (name: "session_replication_role", value: "replica")
    ])

    /// The settings with which the state database must not be used; nil if it has none.
    static func unsafeSettings(_ connection: PostgresConnection) async throws -> String? {
        let settings = RowFormat { $0.text(doubtfulSettings) }
        return settings.first(
            of: try await connection.query(
                "SELECT \(settings.columns)", timeout: Diagnostics.patience))
    }

    /// Whether this encoding can store every text; `SQL_ASCII` takes all bytes as they are.
    nonisolated static func holdsEveryText(_ encoding: String) -> Bool {
        ["UTF8", "SQL_ASCII"].contains(encoding)
    }

    /// The one connection that writes decisions; nil if it was lost, or if this incarnation is over
    /// or being given up: ``writerConnection()`` opens it again, or says why not.
    var openWriter: PostgresConnection? {
        guard !isSuperseded, !isClosed, let writer, writer.isOpen else { return nil }
        return writer
    }

    /// The same connection; opened again if it was lost.
    func writerConnection() async throws(StateDatabaseError) -> PostgresConnection {
        guard !isSuperseded else { throw .superseded(replica: replica) }
        guard !isClosed else { throw .closed }
        if let openWriter { return openWriter }
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

    /// Opens another session, to the server that this incarnation knows or to the one that replaced
    /// it.
    func connect() async throws(StateDatabaseError) -> PostgresConnection {
        try await Self.connect(options, loop: loop) { [identity] in
            try await identity.check($0)
        }
    }

    func closeWriter() {
        writer?.close()
        writer = nil
    }

    /// Reads the hazards of the server, if they were not read lately.
    func readHazardsIfDue() async {
        // Without a session nothing is known, and the heartbeat reports that.
        try? await readers.withConnection(timeout: timeout) { connection in
            await self.hazardWatch.readIfDue(on: connection)
        }
    }

    /// Runs one statement on a reading session.
    func read(_ sql: String, _ parameters: [String?]) async throws -> CommandResult {
        try await readers.withConnection(timeout: timeout) { connection in
            try await connection.query(sql, parameters, timeout: self.timeout)
        }
    }

    /// Runs one statement in a transaction of its own, and returns only if its commit is as durable
    /// as the database promises: a cancelled wait for a standby, a success with a warning, throws.
    func write(_ sql: String, _ parameters: [String?]) async throws -> CommandResult {
        try await write(sql) { parameters }
    }

    /// The same; `parameters` is called once there is a session to send them on.
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

    /// Reports that this incarnation was found to be over.
    ///
    /// Not while it is being given up: a heartbeat or a flush that was under way may find what
    /// `close` has just written.
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
    package func waitUntilSuperseded() async {
        guard !isSuperseded else { return }
        let (supersession, waiter) = AsyncStream<Never>.makeStream()
        supersessionWaiters.append(waiter)
        for await _ in supersession {}
    }

    private func scheduleHeartbeat() {
        guard !isClosed, !isSuperseded else { return }
        heartbeatTimer = loop.schedule(after: options.heartbeat) { [weak self] in
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
            logger.warning("could not send a heartbeat", metadata: ["error": "\(found)"])
        }
        scheduleHeartbeat()
    }

    /// Gives the lease up, so that others need not wait until it runs out, and closes every
    /// connection.
    ///
    /// Returns when that is done, also if an earlier call began it.
    package func close() async {
        if closing == nil { closing = Task { await giveUp() } }
        await closing?.value
    }

    private func giveUp() async {
        heartbeatTimer?.cancel()
        // Another process may have taken this name earlier without being noticed yet.
        if let wasAlive = try? await endOwnIncarnation(), !wasAlive { reportSuperseded() }
        closeWriter()
        await leaseRenewer.close()
        await readers.close()
    }
}
