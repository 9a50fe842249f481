public import EventLoop
public import Logging
public import TransactionEngine

/// For how long the rows of finished transactions stay.
public struct RetentionOptions: Sendable {
    /// From the end of a transaction to its row's removal, at least.
    public var period: Duration = .seconds(168 * 3600)
    /// Rows removed in one statement, at most.
    public var batch = 500

    /// The defaults.
    public init() {}
}

/// What a replica does beside its callers' transactions, whichever program it is part of: the passes
/// over the rows, the scans of the participants, the signals of other replicas, and retention.
@LoopActor
public final class ReplicaDuties {
    private let engine: TransactionEngine
    private let log: PostgresDecisionLog
    private let participants: [String]
    private let retention: RetentionOptions
    private let signals: StateSignals
    private let witnesses: PostgresParticipants?
    private let logger: Logger
    private var tasks: [Task<Void, Never>] = []

    /// Makes duties that are not begun yet.
    public init(
        engine: TransactionEngine, log: PostgresDecisionLog, participants: [String],
        retention: RetentionOptions, signals: StateSignals,
        witnesses: PostgresParticipants? = nil, logger: Logger
    ) {
        self.engine = engine
        self.log = log
        self.participants = participants
        self.retention = retention
        self.signals = signals
        self.witnesses = witnesses
        self.logger = logger
    }

    /// Begins.
    public func start() {
        let engine = engine
        signals.listen { signal in
            Task(executorPreference: EventLoop.shared) { await engine.receive(signal) }
        }
        tasks.append(
            Task(executorPreference: EventLoop.shared) { await engine.recoverContinuously() })
        for name in participants {
            tasks.append(
                Task(executorPreference: EventLoop.shared) {
                    await engine.scanContinuously(name)
                })
        }
        tasks.append(Task { await retain() })
    }

    /// Ends each duty after what it is doing now.
    public func stop() {
        for task in tasks { task.cancel() }
        tasks = []
        signals.close()
    }

    /// Removes what finished long ago, a small batch at a time.
    private func retain() async {
        let clock = LoopClock()
        while !Task.isCancelled {
            do {
                let removed = try await log.removeFinished(
                    olderThanSeconds: retention.period.components.seconds, limit: retention.batch)
                await witnesses?.trimWitnesses(
                    olderThanSeconds: retention.period.components.seconds, limit: retention.batch)
                if removed == retention.batch { continue }
            } catch {
                logger.warning("retention waits", metadata: ["error": "\(error)"])
            }
            await withCheckedContinuation { continuation in
                _ = clock.schedule(after: .seconds(60)) { continuation.resume() }
            }
        }
    }
}
