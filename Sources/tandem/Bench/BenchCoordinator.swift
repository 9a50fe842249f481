import CommitProtocol
import CoordinatorAPI
import EventLoop
import Logging
import PostgresTransactions
import TransactionEngine

/// A coordinator without HTTP, for a measurement with this many working sessions a participant.
///
/// It takes nothing over: replicas that run, or that start later, look after what it would leave.
@LoopActor
final class BenchCoordinator {
    /// The name under which it is in the state database.
    nonisolated static let replica = "tandem-bench"

    private let state: StateDatabase
    private let participants: PostgresParticipants
    private let engine: TransactionEngine
    private let names: [String]
    private let clock = ContinuousClock()
    private var row = BenchRow(clients: 0)

    private init(
        _ state: StateDatabase, _ participants: PostgresParticipants, _ limits: EngineLimits,
        logger: Logger
    ) {
        self.state = state
        self.participants = participants
        names = participants.names
        let log = PostgresDecisionLog(
            state, logger: logger, makeSalt: BufferedRandom().next)
        engine = TransactionEngine(
            ports: EnginePorts(
                log: log, participants: participants, clock: LoopClock(.shared),
                signals: StateSignals(state, logger: logger), observers: [],
                random: { .random(in: $0) }),
            encoding: .json, limits: limits, logger: logger)
    }

    /// Opens the state database and the participants.
    static func start(
        _ configuration: Configuration, _ chosen: [Configuration.Participant], sessions: Int,
        logger: Logger
    ) async throws -> BenchCoordinator {
        var stateOptions = configuration.stateOptions
        stateOptions.replica = replica
        let state = try await StateDatabase.open(stateOptions, loop: .shared, logger: logger)
        let chosenNames = Set(chosen.map(\.name))
        let options = configuration.participantOptions.filter { chosenNames.contains($0.name) }
            .map { participant in
                var options = participant
                options.poolSize = sessions
                options.contendedSessions = nil
                return options
            }
        let participants = try PostgresParticipants(
            options, state: state, queueMax: sessions, logger: logger)
        var limits = configuration.engineLimits
        limits.inFlightMax = max(limits.inFlightMax, sessions)
        return BenchCoordinator(state, participants, limits, logger: logger)
    }

    func stop() async {
        _ = await engine.drain(within: .seconds(30))
        await participants.close()
        await state.close()
    }

    /// Runs transactions, so many at once, for this long; before that for a fifth of it, uncounted.
    func measure(
        clients: Int, for time: Duration, until interruption: Interruption
    ) async throws -> BenchRow {
        try await run(clients, for: time / 5, interruption)
        row = BenchRow(clients: clients)
        let start = clock.now
        try await run(clients, for: time, interruption)
        row.elapsed = clock.now - start
        return row
    }

    private func run(
        _ clients: Int, for time: Duration, _ interruption: Interruption
    ) async throws {
        let end = clock.now + time
        try await withThrowingTaskGroup { group in
            for _ in 0..<clients {
                group.addTask(executorPreference: EventLoop.shared) {
                    try await self.runOneByOne(until: end, interruption)
                }
            }
            try await group.waitForAll()
        }
    }

    private func runOneByOne(
        until end: ContinuousClock.Instant, _ interruption: Interruption
    ) async throws {
        repeat {
            let start = clock.now
            let answer = await engine.run(request)
            switch answer {
            case .known(let record) where record.decision == .commit:
                row.latencies.append(clock.now - start)
            case .known(let record):
                row.abort(because: record.problem)
            case .refused(let failure):
                throw CommandFailure(.unreachable, failure.detail)
            case .outcomeUnknown, .neverCommits, .decided, .replayed, .keyInProgress, .keyReused:
                throw CommandFailure(
                    .unfinished, "The state database did not answer; is it overloaded or down?")
            }
        } while clock.now < end && !interruption.hasBegun
    }

    private var request: TransactionRequest {
        let statement = Statement(sql: BenchServers.insertion)
        return TransactionRequest(
            principal: "", idempotency: nil,
            branches: names.map { .init(participant: $0, statements: [statement]) },
            isolation: .readCommitted, timeout: .seconds(60),
            labels: [.init(name: "command", value: "tandem-bench")])
    }
}
