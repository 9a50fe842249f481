package import CommitProtocol
package import EventLoop

/// What the engine reaches the world through.
package struct EnginePorts: Sendable {
    /// The durable record of decisions.
    package var log: any DecisionLog
    /// The registered participants.
    package var participants: any Participants
    /// Time.
    package var clock: any EngineClock
    /// The way to the other replicas.
    package var signals: any ReplicaSignals
    /// Receive what the engine does, each event in this order.
    package var observers: [any EngineObserver]
    /// A random number of a range, for jitter.
    package var random: @Sendable (ClosedRange<Int64>) -> Int64

    /// Makes ports; by default of a replica that is alone and has no observers.
    package init(
        log: any DecisionLog, participants: any Participants, clock: any EngineClock,
        signals: any ReplicaSignals = NoSignals(), observers: [any EngineObserver] = [],
        random: @escaping @Sendable (ClosedRange<Int64>) -> Int64
    ) {
        self.log = log
        self.participants = participants
        self.clock = clock
        self.signals = signals
        self.observers = observers
        self.random = random
    }

    /// Hands an event to the observers; it is not even made if there are none.
    @LoopActor
    func report(_ event: @autoclosure () -> EngineEvent) {
        guard !observers.isEmpty else { return }
        let event = event()
        for observer in observers { observer.observe(event) }
    }
}

/// Time, as the engine needs it; in production the event loop's.
package protocol EngineClock: Sendable {
    /// Monotonic microseconds; for durations, and in whole milliseconds for deadlines.
    var microseconds: Int64 { get }
    /// Wall-clock time; for people.
    var wallTime: Timestamp { get }
    /// Runs the body once after the delay.
    @LoopActor
    func schedule(
        after delay: Duration, _ body: @escaping @LoopActor () -> Void
    ) -> any ScheduledTimer
}

extension EngineClock {
    /// Monotonic milliseconds; for deadlines.
    package var milliseconds: Int64 { microseconds / 1000 }

    /// Waits for as long as this.
    @LoopActor
    package func pause(_ duration: Duration) async {
        await withCheckedContinuation { continuation in
            _ = schedule(after: duration) { continuation.resume() }
        }
    }
}

/// A timer that can be called off.
@LoopActor
package protocol ScheduledTimer: Sendable {
    /// Calls it off; harmless when it has fired.
    func cancel()
}

/// How the interface encodes results and problems for the log, so that a repeated request gets the
/// very same bytes.
package struct OutcomeEncoding: Sendable {
    /// Encodes each branch's statement results.
    package let results: @Sendable ([[StatementResult]]) -> [UInt8]
    /// Encodes why a transaction was aborted.
    package let problem: @Sendable (TransactionRecord, AbortCause, BranchFailure?) -> [UInt8]

    /// Makes an encoding of two functions.
    package init(
        results: @escaping @Sendable ([[StatementResult]]) -> [UInt8],
        problem: @escaping @Sendable (TransactionRecord, AbortCause, BranchFailure?) -> [UInt8]
    ) {
        self.results = results
        self.problem = problem
    }
}

/// The engine's bounds.
package struct EngineLimits: Sendable {
    /// Transactions under way at once; more are refused.
    package var inFlightMax = 1024
    /// Transactions whose callers were answered `committing`, at the decision or since the wait was over, and
    /// that have not finished; while there are this many, further callers wait for the finish.
    package var committingMax = 1024
    /// Timelines that are kept of transactions that have ended.
    package var timelinesMax = 1024
    /// Results larger than this are not stored with the decision.
    package var storedResultBytesMax = 65_536
    /// From asking for the decision to the answer, at most.
    package var finishWait: Duration = .seconds(5)
    /// Prepared transactions without a row are left alone for at least this long.
    package var orphanGrace: Duration = .seconds(60)
    /// Between two recovery passes.
    package var recoveryInterval: Duration = .seconds(2)
    /// Between two scans of a participant.
    package var scanInterval: Duration = .seconds(10)
    /// Rows taken over in one pass.
    package var claimBatch = 500
    /// Rows that one page of a list examines, to find those that match its filters.
    package var examinedMax = 5000
    /// Transactions that are counted for the queues of an overview.
    package var queueCountMax = 10_000

    package init() {}
}

/// The answer of `TransactionEngine.run`.
package enum TransactionAnswer: Sendable {
    /// It was run: this is what is known of it.
    case known(TransactionRecord)
    /// The key was used by the same request before: this is what is known of its transaction.
    case replayed(TransactionRecord)
    /// It was run, and this is the answer at its decision to commit, as the caller preferred.
    case decided(TransactionRecord)
    /// The outcome is not known yet; its status will say.
    case outcomeUnknown(GlobalTransactionID)
    /// It will never commit; it is unknown whether its key was recorded.
    case neverCommits
    /// Refused; nothing was accepted.
    case refused(AdmissionFailure)
    /// The key's first request is still running; without an id until its row is durable.
    case keyInProgress(GlobalTransactionID?)
    /// The key was used by another request, whose transaction this is.
    case keyReused(GlobalTransactionID)
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
