import CommitProtocol
public import EventLoop
public import Logging
public import TransactionEngine

/// For how long the rows of finished transactions stay.
public struct RetentionOptions: Sendable {
    /// From the end of a transaction to its row's removal, at least.
    public var period: Duration = .seconds(168 * 3600)
    /// Rows removed in one statement, at most.
    public var batch = 500
    /// Between two looks at the participants' journals.
    public var journalInterval: Duration = .seconds(10)
    /// Decisions of a journal looked at in one statement, at most.
    public var journalBatch = 2000

    /// The defaults.
    public init() {}
}

/// What a replica does beside its callers' transactions, whichever program it is part of: the passes
/// over the rows, the scans of the participants, the signals of other replicas, and retention.
@LoopActor
public final class ReplicaDuties {
    private let engine: TransactionEngine
    private let log: PostgresDecisionLog
    private let participants: PostgresParticipants
    private let retention: RetentionOptions
    private let signals: StateSignals
    private let logger: Logger
    private var tasks: [Task<Void, Never>] = []

    /// Makes duties that are not begun yet.
    public init(
        engine: TransactionEngine, log: PostgresDecisionLog, participants: PostgresParticipants,
        retention: RetentionOptions, signals: StateSignals, logger: Logger
    ) {
        self.engine = engine
        self.log = log
        self.participants = participants
        self.retention = retention
        self.signals = signals
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
        for name in participants.names {
            tasks.append(
                Task(executorPreference: EventLoop.shared) {
                    await engine.scanContinuously(name)
                })
        }
        tasks.append(Task { await retain() })
        tasks.append(Task { await trimJournals() })
    }

    /// Ends each duty after what it is doing now.
    public func stop() {
        for task in tasks { task.cancel() }
        tasks = []
        signals.close()
    }

    /// Removes decisions from journals, as soon as nobody can ask for them any more.
    private func trimJournals() async {
        let clock = LoopClock()
        while !Task.isCancelled {
            for name in participants.names {
                do {
                    try await trimJournal(of: name)
                } catch {
                    logger.warning(
                        "a journal is not trimmed",
                        metadata: ["participant": "\(name)", "error": "\(error)"])
                }
            }
            await withCheckedContinuation { continuation in
                _ = clock.schedule(after: retention.journalInterval) { continuation.resume() }
            }
        }
    }

    private func trimJournal(of name: String) async throws {
        var last: Int64 = 0
        while !Task.isCancelled {
            let held = try await participants.journalled(
                in: name, after: last, limit: retention.journalBatch)
            guard let newest = held.last else { return }
            try await participants.forgetJournalled(try await log.settled(held), in: name)
            guard held.count == retention.journalBatch else { return }
            last = newest.number
        }
    }

    /// Removes what finished long ago, a small batch at a time.
    private func retain() async {
        let clock = LoopClock()
        while !Task.isCancelled {
            do {
                let removed = try await log.removeFinished(
                    olderThanSeconds: retention.period.components.seconds, limit: retention.batch)
                await participants.trimWitnesses(
                    olderThanSeconds: retention.period.components.seconds, limit: retention.batch)
                await participants.forgetGoneSessions(retention.batch)
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
