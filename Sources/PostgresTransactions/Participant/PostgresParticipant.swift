import EventLoop
import Logging
import PostgresClient
import TransactionEngine

/// One participant: its working sessions, its finishing sessions, and its slots.
@LoopActor
final class PostgresParticipant {
    nonisolated let options: ParticipantOptions
    /// Whether the journal here is complete and usable.
    ///
    /// Until then branches here are prepared like any other: a transaction whose commit point is missing
    /// could never be decided.
    nonisolated let hasUsableJournal = Lock(false)
    let loop: EventLoop
    let registry: SessionRegistry
    let logger: Logger
    let installation: String
    let servers: ServerDirectory
    /// The slots that this replica's branches hold here.
    let slots: BranchSlots
    /// What is sent for the branches here.
    let scripts: BranchScripts
    let workers: ConnectionPool
    /// Those of the working sessions that contended transactions use.
    let contendedSessions: ContendedSessions
    let finishers: ConnectionPool
    /// One session that reads statuses for callers who wait, so that they take none that ends branches.
    let statusReaders: ConnectionPool
    /// The finishing sessions as the ends of branches use them: several on one, pipelined.
    let sharedFinishers: SharedConnections
    /// Notices branches that wait for locks.
    let lockWatch: LockWatch
    /// Writes that make the log before them durable; see `writesThrough` and `confirmedServer`.
    let flush = NextRun<Bool>()
    let confirmation = NextRun<ServerTimeline?>()
    let fence = NextRun<Bool>()
    /// Called with a late branch that waits for another transaction's lock, and those of its rivals for
    /// it that are known.
    var onContention: (@LoopActor (_ waiter: SessionRequest, _ rivals: [SessionRequest]) -> Void)?
    /// Called when the participant can be reached again.
    var onAnswering: (@LoopActor () -> Void)?
    /// Called when a contended transaction's session was closed: there is room for another one, although
    /// no session has become idle.
    var onRoomForContended: (@LoopActor () -> Void)?
    /// Called when the last branch inside a gate has left it.
    var onOpenGate: (@LoopActor (RowGate) -> Void)?
    private(set) var latestFacts: SessionFacts?
    /// The slots of the server that answered last; nil as long as none has.
    private(set) var server: ServerSlots?
    /// What the last scan read; nil before the first.
    var survey: PreparedSurvey?
    /// What on the server can undo two-phase commit.
    let hazards: HazardWatch
    private var isReportedUnreachable = false
    /// How often a prepared statement was found outdated that could not be prepared anew in time.
    var outdatings = 0
    private var owners: [ServerTimeline: PreparedOwners] = [:]

    init(
        _ options: ParticipantOptions, registry: SessionRegistry, servers: ServerDirectory,
        installation: String, replica: String, loop: EventLoop, logger: Logger
    ) throws(PostgresError) {
        self.options = options
        self.servers = servers
        self.registry = registry
        self.installation = installation
        self.loop = loop
        self.logger = logger
        hazards = HazardWatch(
            participant: options.name, every: options.hazardInterval, loop: loop, logger: logger)
        contendedSessions = ContendedSessions(limit: options.contendedSessionsMax)
        scripts = BranchScripts(hasWitness: options.hasWitness)
        let admission = Admission()
        let lockWatch = LockWatch(
            participant: options.name, lockTimeout: options.lockTimeout, loop: loop,
            server: { admission.participant?.latestFacts?.runningServer }
        ) {
            guard let participant = admission.participant else { throw PostgresError.closed }
            return try await participant.lockWaits(of: $0)
        }
        self.lockWatch = lockWatch
        slots = BranchSlots { lockWatch.sessions.compactMap(\.gid) }
        func pool(
            _ purpose: PoolPurpose, _ settings: SessionSettings, configuration: PoolConfiguration
        ) throws(PostgresError) -> ConnectionPool {
            let isReset = purpose == .work
            return ConnectionPool(
                options: try options.connection.overriding([
                    "application_name": "tandem-\(purpose.rawValue) \(replica)",
                    "options": settings.startup,
                ]), configuration: configuration, observer: options.observePool?(purpose),
                loop: loop,
                prepare: { connection in
                    try await admission.participant?
                        .examine(connection, set: settings, isReset: isReset)
                })
        }
        let timeout = options.connectTimeout
        workers = try pool(
            .work,
            .work(
                statementTimeout: options.statementTimeout, lockTimeout: options.lockTimeout),
            configuration: PoolConfiguration(
                size: options.poolSize, minimumIdle: min(2, options.poolSize),
                connectTimeout: timeout))
        finishers = try pool(
            .finish, .finish,
            configuration: PoolConfiguration(
                size: options.finishers, minimumIdle: options.finishers, connectTimeout: timeout))
        statusReaders = try pool(
            .read, .statusReading,
            configuration: PoolConfiguration(
                size: 1, connectTimeout: timeout, idleTimeout: .seconds(60)))
        sharedFinishers = SharedConnections(finishers)
        admission.participant = self
        workers.start()
        finishers.start()
        // The object that shares the connections listens as well.
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

    /// Lets the pools refer to the participant, which exists only after them.
    ///
    /// They connect only after it exists: connecting is a task of its own on the loop.
    private final class Admission {
        weak var participant: PostgresParticipant?
    }

    /// Ends the branches' sessions as if they were lost: the time for work and for ends is over.
    func close() async {
        await workers.close(cutsLent: true)
        await finishers.close(cutsLent: true)
        await statusReaders.close()
    }

    // MARK: Sessions

    /// Examines a new session, on PostgreSQL's own search path whatever the role's.
    ///
    /// - Parameter isReset: whether branches reset the session, and so undo what is set in it after this.
    private func examine(
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
        connection.attachment = OpenSession(found, outdatings: outdatings)
        latestFacts = found
        use(serverSlots(of: found))
        await countSlotsAtOpening(on: connection)
    }

    /// After a failover the sessions may lead to another server, which has other slots.
    private func use(_ found: ServerSlots) {
        guard server !== found else { return }
        server?.leave(slots)
        found.join(slots)
        server = found
    }

    /// The facts of a session, for a conclusion that another server's facts must not lead to.
    ///
    /// A session that was lost after it was lent has none, which proves nothing about the server.
    func factsIfOpen(of connection: PostgresConnection) throws(PostgresError) -> SessionFacts {
        guard let session = connection.session else { throw .closed }
        return session.facts
    }

    /// The owners of what is prepared on one server: sessions may lead to another after a failover, and
    /// one server's answer is never taken for another's.
    func owners(at server: ServerTimeline) -> PreparedOwners {
        if let known = owners[server] { return known }
        let new = PreparedOwners(loop: loop)
        owners[server] = new
        return new
    }

    // MARK: Status

    var status: ParticipantStatus {
        ParticipantStatus(
            name: options.name, isAvailable: workers.connectedCount > 0 && !workers.isFailing,
            isConnecting: workers.connectedCount == 0 && !workers.isFailing,
            poolSize: options.poolSize, connections: workers.connectedCount,
            idle: workers.idleCount, slots: slotUsage,
            lastError: workers.lastFailure.map { "\($0.error)" },
            systemIdentifier: latestFacts?.systemIdentifier, timeline: latestFacts?.timeline,
            version: latestFacts?.version, circuit: circuit,
            failuresInARow: finishers.failuresInARow, survey: survey, hazards: hazards.survey)
    }

    /// Why no working session could be opened the last time.
    var lastFailure: String { workers.lastFailure.map { "\($0.error)" } ?? "no connection" }

    /// That the participant cannot be reached, and why.
    var unreachable: String {
        let reason = finishers.lastFailure.map { "\($0.error)" } ?? "no connection"
        return "\(options.name) cannot be reached: \(reason)"
    }

    /// The state of the finishing sessions: their pool connects by itself, one attempt at a time, at
    /// jittered and capped intervals.
    var circuit: ParticipantStatus.Circuit {
        guard finishers.isFailing else { return .closed }
        return finishers.isConnecting ? .halfOpen : .open
    }

    private func noteFailure() {
        guard finishers.isFailing, !isReportedUnreachable else { return }
        isReportedUnreachable = true
        logger.warning(
            "a participant cannot be reached; its branches wait",
            metadata: [
                "participant": "\(options.name)",
                "error": "\(finishers.lastFailure.map { "\($0.error)" } ?? "")",
            ])
    }

    private func noteSuccess() {
        guard isReportedUnreachable else { return }
        isReportedUnreachable = false
        logger.notice("a participant answers again", metadata: ["participant": "\(options.name)"])
        onAnswering?()
    }
}

extension Duration {
    /// Whole milliseconds.
    var wholeMilliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
