import CommitProtocol
package import EventLoop
package import Logging
package import TransactionEngine

/// How long the rows of finished transactions stay.
package struct RetentionOptions: Sendable {
    /// From the end of a transaction to its row's removal, at least.
    package var period: Duration = .seconds(168 * 3600)
    /// Rows removed in one statement, at most.
    package var batch = 500
    /// Between two checks of the participants' journals.
    package var journalInterval: Duration = .seconds(10)
    /// Decisions of a journal that one statement checks, at most.
    package var journalBatch = 2000

    package init() {}
}

/// What a replica does in the background, in the server and in the library alike: recovery passes,
/// scans of the participants, signals of other replicas, and retention.
@LoopActor
package final class ReplicaDuties {
    private let engine: TransactionEngine
    private let log: PostgresDecisionLog
    private let participants: PostgresParticipants
    private let retention: RetentionOptions
    private let signals: StateSignals
    private let clock: any EngineClock
    private let logger: Logger
    private var tasks: [Task<Void, Never>] = []
    private var loop: EventLoop { log.state.loop }

    /// Makes duties that are not begun yet.
    package init(
        engine: TransactionEngine, log: PostgresDecisionLog, participants: PostgresParticipants,
        retention: RetentionOptions, signals: StateSignals,
        clock: any EngineClock, logger: Logger
    ) {
        self.engine = engine
        self.log = log
        self.participants = participants
        self.retention = retention
        self.signals = signals
        self.clock = clock
        self.logger = logger
    }

    /// Begins.
    package func start() {
        let (engine, loop) = (engine, loop)
        signals.listen { signal in
            Task(executorPreference: loop) { await engine.receive(signal) }
        }
        tasks.append(Task(executorPreference: loop) { await engine.recoverContinuously() })
        for name in participants.names {
            tasks.append(Task(executorPreference: loop) { await engine.scanContinuously(name) })
        }
        tasks.append(Task { await removeFinishedRows() })
        tasks.append(Task { await trimJournals() })
        tasks.append(Task { await watchStateDatabase() })
    }

    /// Ends each duty after its current step.
    package func stop() {
        for task in tasks { task.cancel() }
        tasks = []
        signals.close()
    }

    private func pause(_ duration: Duration) async {
        await withCheckedContinuation { continuation in
            _ = clock.schedule(after: duration) { continuation.resume() }
        }
    }

    private func watchStateDatabase() async {
        while !Task.isCancelled {
            await log.state.readHazardsIfDue()
            await pause(log.state.options.hazardInterval)
        }
    }

    /// Removes decisions from journals as soon as no replica can ask for them any more.
    private func trimJournals() async {
        while !Task.isCancelled {
            for name in participants.names {
                do {
                    try await trimJournal(of: name)
                } catch {
                    logger.warning(
                        "could not trim a journal",
                        metadata: ["participant": "\(name)", "error": "\(error)"])
                }
            }
            await pause(retention.journalInterval)
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
    private func removeFinishedRows() async {
        let (seconds, batch) = (retention.period.components.seconds, retention.batch)
        while !Task.isCancelled {
            do {
                let removed = try await log.removeFinished(olderThanSeconds: seconds, limit: batch)
                await participants.trimWitnesses(olderThanSeconds: seconds, limit: batch)
                await participants.forgetGoneSessions(batch)
                if removed == batch { continue }
            } catch {
                logger.warning(
                    "could not remove finished transactions", metadata: ["error": "\(error)"])
            }
            await pause(.seconds(60))
        }
    }
}
