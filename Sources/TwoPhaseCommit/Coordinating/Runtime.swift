import EventLoop
import Logging
import PostgresClient
import PostgresTransactions
import TransactionEngine

/// A started coordinator: all ports of the engine meet here, as they do in the server.
@LoopActor
final class Runtime {
    /// Who asks, in the records of a shared state database.
    nonisolated static let principal = "library"

    nonisolated let engine: TransactionEngine
    nonisolated let isLogless: Bool
    private var isSuperseded = false
    private var incarnations: [AsyncStream<Never>.Continuation] = []
    private let participants: PostgresParticipants
    private let state: PostgresTransactions.StateDatabase?
    private let duties: ReplicaDuties?

    private init(
        _ configuration: Configuration, _ participants: PostgresParticipants,
        _ log: any DecisionLog, _ state: PostgresTransactions.StateDatabase?
    ) {
        var limits = EngineLimits()
        limits.inFlightMax = configuration.inFlightMax
        limits.finishWait = configuration.finishWait
        self.participants = participants
        self.state = state
        isLogless = state == nil
        let signals = state.map { StateSignals($0, logger: configuration.logger) }
        engine = TransactionEngine(
            ports: EnginePorts(
                log: log, participants: participants, clock: LoopClock(),
                signals: signals ?? NoSignals(), random: { .random(in: $0) }),
            encoding: OutcomeEncoding(
                results: { _ in [] },
                problem: { _, cause, failure in StoredProblem(cause, failure).bytes }),
            limits: limits, logger: configuration.logger)
        if case .database(let options) = configuration.log,
            let log = log as? PostgresDecisionLog, let signals
        {
            var retention = RetentionOptions()
            retention.period = options.retention
            duties = ReplicaDuties(
                engine: engine, log: log, participants: participants, retention: retention,
                signals: signals, logger: configuration.logger)
        } else {
            duties = nil
        }
        participants.onAnswering = { [engine] name in
            Task(executorPreference: EventLoop.shared) { await engine.participantAnswers(name) }
        }
        duties?.start()
        state?.onSuperseded = { [weak self] in self?.superseded() }
    }

    private func superseded() {
        isSuperseded = true
        for incarnation in incarnations { incarnation.finish() }
    }

    /// Ends when another process has taken this replica's name; one for each who asks, since a stream
    /// ends for all when one of them is cancelled.
    func incarnation() -> AsyncStream<Never> {
        let (incarnation, end) = AsyncStream<Never>.makeStream()
        if isSuperseded { end.finish() } else { incarnations.append(end) }
        return incarnation
    }

    static func open(_ configuration: Configuration) async -> Result<Runtime, CoordinatorError> {
        do {
            return .success(try await start(configuration))
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

    private static func start(_ configuration: Configuration) async throws -> Runtime {
        try configuration.check()
        var options = try configuration.databases.map(ParticipantOptions.init)
        switch configuration.log {
        case .logless:
            // A journal is a decision log; without one it would be trimmed by nobody.
            for index in options.indices { options[index].journal = false }
            let log = MemoryDecisionLog()
            let participants = try PostgresParticipants(
                logless: options, installation: log.installation,
                allowsFsyncOff: configuration.allowsFsyncOff, queueMax: configuration.queueMax,
                logger: configuration.logger)
            return Runtime(configuration, participants, log, nil)
        case .database(let database):
            var stateOptions = StateOptions(
                connection: try ConnectionOptions(ofPrimary: database.connectionString),
                replica: database.replica)
            stateOptions.participants = options.map(\.name)
            stateOptions.timeout = database.timeout
            stateOptions.lease = database.lease
            stateOptions.heartbeat = .milliseconds(database.lease.wholeSeconds * 1000 / 5)
            stateOptions.allowsFsyncOff = configuration.allowsFsyncOff
            let state = try await PostgresTransactions.StateDatabase.open(
                stateOptions, logger: configuration.logger)
            let participants = try PostgresParticipants(
                options, state: state, queueMax: configuration.queueMax,
                logger: configuration.logger)
            let log = PostgresDecisionLog(state, logger: configuration.logger)
            return Runtime(configuration, participants, log, state)
        }
    }

    /// Stops in order: nothing new, what is under way ends within the grace or is aborted, then the
    /// connections.
    func close(within grace: Duration) async {
        if !(await engine.drain(within: grace)) {
            // A closure that does not listen is cut off after two seconds.
            _ = await engine.rollBackAll(within: .seconds(5))
        }
        duties?.stop()
        await participants.close()
        await state?.close()
    }
}

extension ParticipantOptions {
    init(_ database: Database) throws(PostgresError) {
        self.init(
            name: database.name,
            connection: try ConnectionOptions(ofPrimary: database.connectionString))
        poolSize = database.connections
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
    /// Of several hosts the one that takes writes, as in the server, unless the string says otherwise.
    fileprivate init(ofPrimary conninfo: String) throws(PostgresError) {
        self = try ConnectionOptions(conninfo: conninfo)
        if self["target_session_attrs"] == nil {
            self = try overriding(["target_session_attrs": "primary"])
        }
    }
}

extension Duration {
    fileprivate var wholeSeconds: Int64 { max(1, components.seconds) }
}
