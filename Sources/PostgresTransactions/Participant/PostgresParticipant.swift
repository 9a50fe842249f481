import EventLoop
import Logging
import PostgresClient
import TransactionEngine

/// One participant: its working sessions, its finishing sessions, and its slots.
@LoopActor
final class PostgresParticipant {
    nonisolated let options: ParticipantOptions
    let registry: SessionRegistry
    let logger: Logger
    let installation: String
    private(set) var facts: [ObjectIdentifier: SessionFacts] = [:]
    private(set) var latestFacts: SessionFacts?
    let servers: ServerDirectory
    /// The slots that this replica's branches hold here.
    let slots = BranchSlots()
    /// The slots of the server that answered last; nil as long as none has.
    private(set) var server: ServerSlots?
    let workers: ConnectionPool
    let finishers: ConnectionPool
    /// One session that looks for those who ask for a status, so that they take none that ends branches.
    let statusReaders: ConnectionPool
    /// The finishing sessions as the ends of branches use them: several on one, pipelined.
    let sharedFinishers: SharedConnections
    /// Called when it can be reached again.
    var onAnswering: (@LoopActor () -> Void)?
    private var wasOpen = false
    /// The sessions that have forgotten what was prepared before a statement was found outdated; nil for
    /// all.
    private var upToDate: Set<ObjectIdentifier>?
    let journal = JournalStanding()
    /// Notices branches that wait for their own transaction.
    let lockWatch: LockWatch
    private var owners: [ServerTimeline: PreparedOwners] = [:]
    /// Writes that make the log before them durable; see `writesThrough` and `confirmedServer`.
    let flush = NextRun<Bool>()
    let confirmation = NextRun<ServerTimeline?>()
    private let fence = NextRun<Bool>()

    init(
        _ options: ParticipantOptions, registry: SessionRegistry, servers: ServerDirectory,
        installation: String, replica: String, logger: Logger
    ) throws(PostgresError) {
        self.options = options
        self.servers = servers
        self.registry = registry
        self.installation = installation
        self.logger = logger
        let admission = Admission()
        lockWatch = LockWatch(lockTimeout: options.lockTimeout) {
            try await admission.participant?.lockWaits(of: $0) ?? [:]
        }
        func pool(
            _ purpose: String, _ settings: SessionSettings, _ configuration: PoolConfiguration
        ) throws(PostgresError) -> ConnectionPool {
            let isReset = purpose == "work"
            return ConnectionPool(
                options: try options.connection.overriding([
                    "application_name": "tandem-\(purpose) \(replica)", "options": settings.startup,
                ]), configuration: configuration,
                prepare: { connection in
                    try await admission.participant?
                        .examine(connection, set: settings, isReset: isReset)
                })
        }
        let timeout = options.connectTimeout
        workers = try pool(
            "work",
            .work(
                statementTimeout: options.statementTimeout, lockTimeout: options.lockTimeout),
            PoolConfiguration(
                size: options.poolSize, minimumIdle: min(2, options.poolSize),
                connectTimeout: timeout))
        finishers = try pool(
            "finish", .finish,
            PoolConfiguration(
                size: options.finishers, minimumIdle: options.finishers, connectTimeout: timeout))
        statusReaders = try pool(
            "look", .look,
            PoolConfiguration(size: 1, connectTimeout: timeout, idleTimeout: .seconds(60)))
        sharedFinishers = SharedConnections(finishers)
        admission.participant = self
        workers.start()
        finishers.start()
        // Whoever shares the connections listens as well.
        let (onFailure, onIdle) = (finishers.onFailure, finishers.onIdle)
        finishers.onFailure = { [weak self] in
            onFailure?()
            self?.noteFailure()
        }
        finishers.onIdle = { [weak self] in
            onIdle?()
            self?.noteSuccess()
        }
    }

    private func noteFailure() {
        guard finishers.isFailing, !wasOpen else { return }
        wasOpen = true
        logger.warning(
            "a participant cannot be reached; its branches wait",
            metadata: [
                "participant": "\(options.name)",
                "error": "\(finishers.lastFailure.map { "\($0.error)" } ?? "")",
            ])
    }

    private func noteSuccess() {
        guard wasOpen else { return }
        wasOpen = false
        logger.notice("a participant answers again", metadata: ["participant": "\(options.name)"])
        onAnswering?()
    }

    /// The pools come before the participant that examines their connections; they connect only
    /// after it is there, for connecting is a task of its own on the loop.
    private final class Admission {
        weak var participant: PostgresParticipant?
    }

    /// Which of these server processes wait for locks, and for whom; asked by the session that looks.
    private func lockWaits(of processIDs: [Int32]) async throws -> [Int32: LockWait] {
        let patience = Duration.seconds(1)
        return try await statusReaders.withConnection(timeout: patience) {
            try await LockWait.find(processIDs, on: $0, timeout: patience)
        }
    }

    /// Examines a new session, on PostgreSQL's own search path whatever the role's.
    ///
    /// - Parameter isReset: whether branches reset it, and so undo what is set in it from here on.
    fileprivate func examine(
        _ connection: PostgresConnection, set settings: SessionSettings, isReset: Bool
    ) async throws {
        let timeout = options.connectTimeout
        let found = try await registry.admit(connection, of: options, set: settings)
        if options.hasWitness {
            try await Witness.prepare(connection, timeout: timeout)
        }
        await prepareJournal(on: connection, role: found.user)
        _ = try await connection.run(
            [SessionAdmission.searchPathAsBefore] + (isReset ? [] : found.adjustments),
            timeout: timeout)
        let key = ObjectIdentifier(connection)
        facts[key] = found
        connection.onClose = { [weak self] _ in
            self?.facts[key] = nil
            self?.upToDate?.remove(key)
        }
        latestFacts = found
        use(servers.slots(of: found.systemIdentifier, limit: found.slotLimit))
        await countSlotsAtOpening(on: connection)
    }

    /// Has every working session prepare its statements anew before it is used again.
    ///
    /// A branch's code that has met an outdated statement in its midst cannot be run again; so that it is
    /// the only one, and not one a session.
    func outdateStatements() { upToDate = [] }

    func forgetOutdatedStatements(of connection: PostgresConnection) {
        guard upToDate?.insert(ObjectIdentifier(connection)).inserted ?? false else { return }
        connection.forgetAllStatements()
    }

    /// Whose what is prepared is; sessions may lead to another server after a failover, and one
    /// server never answers for another.
    func owners(at server: ServerTimeline) -> PreparedOwners {
        if let known = owners[server] { return known }
        let new = PreparedOwners()
        owners[server] = new
        return new
    }

    func facts(of connection: PostgresConnection) -> SessionFacts? {
        facts[ObjectIdentifier(connection)]
    }

    /// The same for whoever would conclude something from another server's.
    ///
    /// A session that is lost between being lent and being used has none, which says nothing of the server.
    func factsIfOpen(of connection: PostgresConnection) throws(PostgresError) -> SessionFacts {
        guard let facts = facts(of: connection) else { throw .closed }
        return facts
    }

    /// A failover may lead to another server, whose slots are others.
    private func use(_ found: ServerSlots) {
        guard server !== found else { return }
        server?.leave(slots)
        found.join(slots)
        server = found
    }

    var status: ParticipantStatus {
        ParticipantStatus(
            name: options.name, isAvailable: workers.connectedCount > 0 && !workers.isFailing,
            isConnecting: workers.connectedCount == 0 && !workers.isFailing,
            poolSize: options.poolSize, connections: workers.connectedCount,
            idle: workers.idleCount, slots: slotUsage,
            lastError: workers.lastFailure.map { "\($0.error)" },
            systemIdentifier: latestFacts?.systemIdentifier, timeline: latestFacts?.timeline,
            version: latestFacts?.version, circuit: circuit,
            failuresInARow: finishers.failuresInARow)
    }

    /// Why no working session could be opened the last time.
    var lastFailure: String { workers.lastFailure.map { "\($0.error)" } ?? "no connection" }

    /// What the finishing sessions say: the pool probes by itself, one attempt at a time, after
    /// jittered and capped intervals.
    var circuit: ParticipantStatus.Circuit {
        guard finishers.isFailing else { return .closed }
        return finishers.isConnecting ? .halfOpen : .open
    }

    /// Ends the sessions of lives that are over, and says whether they are proved gone.
    ///
    /// Calls that come while a fence runs share the next one: a fence only counts for what was
    /// known to be over before it began.
    func fenceFormerIncarnations() async -> Bool {
        await fence { [self] in
            do {
                return try await endFormerSessions()
            } catch {
                logger.warning(
                    "the fence waits",
                    metadata: ["participant": "\(options.name)", "error": "\(error)"])
                return false
            }
        }
    }

    private func endFormerSessions() async throws -> Bool {
        try await finishers.withConnection(timeout: options.connectTimeout) { connection in
            guard let facts = self.facts(of: connection) else { return false }
            let sessions = try await self.registry.formerSessions(
                of: self.options.name, on: facts.systemIdentifier)
            if sessions.isEmpty { return true }
            return try await self.end(sessions, on: connection)
        }
    }

    /// Terminates a session and waits until it is gone.
    func end(_ session: SessionIdentity) async throws -> Bool {
        try await finishers.withConnection(timeout: options.connectTimeout) { connection in
            try await self.end([session], on: connection)
        }
    }

    /// Terminates these backends, matched by pid and start, and waits until they are gone.
    ///
    /// Gone means that nobody has the pid, or somebody who started at another time. Whose start may
    /// not be seen may be the one; and on another server than theirs nothing can be seen.
    private func end(
        _ sessions: [SessionIdentity], on connection: PostgresConnection
    ) async throws -> Bool {
        guard let facts = facts(of: connection),
            sessions.allSatisfy({ $0.systemIdentifier == facts.systemIdentifier })
        else { return false }
        _ = try await connection.query(
            "SELECT pg_terminate_backend(a.pid, 5000) \(Self.backends) WHERE \(Self.isIt)",
            Self.list(sessions), timeout: .seconds(30))
        guard try await running(sessions, on: connection).isEmpty else { return false }
        try await registry.forget(sessions, of: options.name)
        return true
    }

    /// Where in the list those of these backends stand that are not proved gone.
    private func running(
        _ sessions: [SessionIdentity], on connection: PostgresConnection
    ) async throws -> Set<Int> {
        let left = try await connection.query(
            """
            SELECT x.place - 1 \(Self.backends)
            WHERE a.backend_start IS NULL OR \(Self.isIt)
            """, Self.list(sessions), timeout: .seconds(30))
        return Set(
            (0..<left.rowCount).compactMap { left.text(row: $0, column: 0).flatMap(Int.init) })
    }

    private static func list(_ sessions: [SessionIdentity]) -> [String] {
        [
            ArrayLiteral.write(sessions.map { "\($0.processID)" }),
            ArrayLiteral.write(sessions.map(\.startedAt)),
        ]
    }

    private static let backends = """
        FROM pg_stat_activity AS a
        JOIN unnest($1::integer[], $2::bigint[]) WITH ORDINALITY AS x(pid, start, place)
            ON a.pid = x.pid
        """
    private static let isIt = "(extract(epoch FROM a.backend_start) * 1000000)::bigint = x.start"

    /// Forgets recorded sessions that are gone, of whatever life, so many at a time.
    ///
    /// A session is closed whenever a branch's work was cancelled in it. Were it on record until a fence
    /// has to pass, there could be more of them by then than a fence can look at.
    func forgetGoneSessions(_ limit: Int) async throws {
        try await finishers.withConnection(timeout: options.connectTimeout) { connection in
            guard let system = self.facts(of: connection)?.systemIdentifier else { return }
            var page: [SessionIdentity] = []
            repeat {
                // What is on record by now has run, so that what is not seen to run is gone.
                page = try await self.registry.recorded(
                    of: self.options.name, on: system, after: page.last, limit: limit)
                if page.isEmpty { return }
                let running = try await self.running(page, on: connection)
                let gone = page.indices.filter { !running.contains($0) }
                try await self.registry.forget(gone.map { page[$0] }, of: self.options.name)
            } while page.count == limit
        }
    }

    /// Whoever still works or ends something here has had its time: it is as if the session was lost.
    func close() async {
        await workers.close(cutsLent: true)
        await finishers.close(cutsLent: true)
        await statusReaders.close()
    }
}

extension Duration {
    /// Whole milliseconds.
    var wholeMilliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
