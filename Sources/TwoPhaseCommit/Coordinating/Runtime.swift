import EventLoop
import Logging
import PostgresClient
import PostgresTransactions
import TransactionEngine
import TransactionMetrics

/// A started coordinator: the composition root, which connects the engine with its ports.
@LoopActor
final class Runtime {
    /// The principal of all transactions of the library in the records of a state database.
    nonisolated static let principal = "library"

    nonisolated let engine: TransactionEngine
    /// Nil without a decision log.
    nonisolated let state: StateDatabase?
    nonisolated var isLogless: Bool { state == nil }
    private let participants: PostgresParticipants
    private let duties: ReplicaDuties?
    private let sampler: Task<Void, Never>
    private let gate: ControlPointGate?
    /// Between two readings of what a coordinator holds in memory, for the gauges.
    private static let samplingInterval = Duration.seconds(5)

    private init(
        _ configuration: Coordinator.Configuration, participants: PostgresParticipants,
        log: any DecisionLog, signals: any ReplicaSignals, state: StateDatabase?, loop: EventLoop,
        metrics: LibraryMetrics, gate: ControlPointGate?,
        duties: (TransactionEngine) -> ReplicaDuties?
    ) {
        var limits = EngineLimits()
        limits.inFlightMax = configuration.inFlightMax
        limits.finishWait = configuration.finishWait
        self.participants = participants
        self.state = state
        self.gate = gate
        gate?.use(participants)
        let ports = gate?.around(log, participants) ?? (log, participants)
        engine = TransactionEngine(
            ports: EnginePorts(
                log: ports.0, participants: ports.1, clock: LoopClock(loop), signals: signals,
                observers: [metrics.engine]
                    + LibraryTraces.observers(replica: state?.options.replica ?? "logless"),
                random: { .random(in: $0) }),
            encoding: OutcomeEncoding(
                results: { _ in [] },
                problem: { _, cause, failure in StoredProblem(cause, failure).bytes }),
            limits: limits, logger: configuration.logger)
        self.duties = duties(engine)
        sampler = Task(executorPreference: loop) { [engine] in
            let clock = LoopClock(loop)
            while !Task.isCancelled {
                var sample = await ReplicaState(of: engine)
                sample.isStateDatabaseUp = await state?.failure == nil
                sample.stateHazards = await state?.hazards
                sample.isQuarantined = await state?.quarantineReason != nil
                metrics.state.set(sample)
                await clock.pause(Self.samplingInterval)
            }
        }
        participants.onDeadlock = { metrics.engine.countDeadlock(participantCount: $0) }
        participants.onAnswering = { [engine] name in
            Task(executorPreference: loop) { await engine.participantAnswers(name) }
        }
        self.duties?.start()
    }

    static func open(
        _ configuration: Coordinator.Configuration, on loop: EventLoop,
        random: @escaping @Sendable () -> UInt64, metrics: LibraryMetrics, gate: ControlPointGate?
    ) async -> Result<Runtime, CoordinatorError> {
        do {
            try configuration.check()
            let options = try configuration.databases.map { database in
                var options = try ParticipantOptions(database)
                options.observePool = metrics.pools(of: database.name)
                return options
            }
            switch configuration.log {
            case .logless:
                return .success(
                    try logless(
                        configuration, participants: options, on: loop, random: random,
                        metrics: metrics, gate: gate))
            case .database(let state):
                return .success(
                    try await logged(
                        configuration, participants: options, in: state, on: loop,
                        random: random, metrics: metrics, gate: gate))
            }
        } catch let error as CoordinatorError {
            return .failure(error)
        } catch let error as StateDatabaseError {
            if case .superseded = error {
                return .failure(CoordinatorError(.superseded, "\(error)"))
            }
            return .failure(CoordinatorError(.stateDatabase, "\(error)"))
        } catch {
            return .failure(CoordinatorError(.configuration, "\(error)"))
        }
    }

    private static func logless(
        _ configuration: Coordinator.Configuration, participants: [ParticipantOptions],
        on loop: EventLoop, random: @escaping @Sendable () -> UInt64, metrics: LibraryMetrics,
        gate: ControlPointGate?
    ) throws -> Runtime {
        var options = participants
        // A journal is a decision log, and without a state database nobody would trim it.
        for index in options.indices { options[index].journal = false }
        let log = MemoryDecisionLog(on: loop, random: random)
        let participants = try PostgresParticipants(
            logless: options, installation: log.installation,
            allowsFsyncOff: configuration.allowsFsyncOff, queueMax: configuration.queueMax,
            loop: loop, logger: configuration.logger)
        return Runtime(
            configuration, participants: participants, log: log, signals: NoSignals(), state: nil,
            loop: loop, metrics: metrics, gate: gate, duties: { _ in nil })
    }

    private static func logged(
        _ configuration: Coordinator.Configuration, participants options: [ParticipantOptions],
        in database: LogLocation.StateDatabase, on loop: EventLoop,
        random: @escaping @Sendable () -> UInt64, metrics: LibraryMetrics, gate: ControlPointGate?
    ) async throws -> Runtime {
        let logger = configuration.logger
        var stateOptions = StateOptions(
            connection: try ConnectionOptions(ofPrimary: database.connectionString),
            replica: database.replica)
        stateOptions.participants = options.map(\.name)
        stateOptions.timeout = database.timeout
        stateOptions.lease = database.lease
        stateOptions.heartbeat = .seconds(max(1, database.lease.components.seconds)) / 5
        stateOptions.allowsFsyncOff = configuration.allowsFsyncOff
        let state = try await StateDatabase.open(stateOptions, loop: loop, logger: logger)
        let participants = try PostgresParticipants(
            options, state: state, queueMax: configuration.queueMax, logger: logger)
        let log = PostgresDecisionLog(
            state, observer: metrics.log, logger: logger, makeSalt: random)
        let signals = StateSignals(state, logger: logger)
        var retention = RetentionOptions()
        retention.period = database.retention
        return Runtime(
            configuration, participants: participants, log: log, signals: signals, state: state,
            loop: loop, metrics: metrics, gate: gate,
            duties: { engine in
                ReplicaDuties(
                    engine: engine, log: log, participants: participants, retention: retention,
                    signals: signals, clock: LoopClock(loop), logger: logger)
            })
    }

    /// Rejects new transactions, finishes or aborts the running ones, then closes the connections.
    func close(within grace: Duration) async {
        gate?.removeAll()
        // What a crash was rehearsed with ends as it is: nothing of it gets through any more.
        if gate?.isHalted != true, !(await engine.drain(within: grace)) {
            // The engine gives up a closure that ignores cancellation after two seconds.
            _ = await engine.rollBackAll(within: .seconds(5))
        }
        duties?.stop()
        sampler.cancel()
        await participants.close()
        await state?.close()
    }
}

extension ParticipantOptions {
    fileprivate init(_ database: Database) throws(PostgresError) {
        self.init(
            name: database.name,
            connection: try ConnectionOptions(ofPrimary: database.connectionString))
        poolSize = database.connections
        contendedSessions = database.contendedConnectionsMax
        finishers = database.finishingConnections
        statementTimeout = database.statementTimeout
        lockTimeout = database.lockTimeout
        connectTimeout = database.connectTimeout
        preparedSlots = database.preparedTransactionsMax
        journal = database.keepsJournal
        resultRowsMax = database.rowsMax
        resultBytesMax = database.bytesMax
    }
}

extension ConnectionOptions {
    /// Selects the primary among several hosts, unless the connection string asks for another.
    fileprivate init(ofPrimary conninfo: String) throws(PostgresError) {
        self = try ConnectionOptions(conninfo: conninfo)
        if self["target_session_attrs"] == nil {
            self = try overriding(["target_session_attrs": "primary"])
        }
    }
}
