import CommitProtocol
import EventLoop
package import Metrics
package import TransactionEngine

/// Counts what the engine does.
///
/// Every instrument is made here, once; an event costs an index and an increment.
package final class EngineMetrics: EngineObserver {
    private let transactions: ByCase<EndOutcome, ByCase<CommitMode, Counter>>
    private let aborts: ByCase<AbortReason, Counter>
    private let requests: ByCase<AnswerKind, Metrics.Timer>
    private let refusals: ByCase<RefusalReason, Counter>
    private let durations: ByCase<EndOutcome, Metrics.Timer>
    private let admission: Metrics.Timer
    private let work: Metrics.Timer
    private let decision: Metrics.Timer
    private let finish: Metrics.Timer
    private let branches: Recorder
    private let deadlockRetries: Counter
    private let serializationRetries: Counter
    private let ownVictims: Counter
    private let serverVictims: Counter
    private let localCycles: Counter
    private let distributedCycles: Counter
    private let recovered: Counter
    private let passes: Counter
    private let failedPasses: Counter
    private let actions: ByCase<RecoveryAction, Counter>
    private let participants: [String: ParticipantCounters]

    /// Makes the instruments, with the names of the configured participants as values of labels.
    package init(participants names: [String], factory: any MetricsFactory) {
        transactions = ByCase { outcome in
            ByCase { mode in
                Metric.transactions.counter(outcome.rawValue, mode.labelValue, in: factory)
            }
        }
        aborts = ByCase { Metric.aborts.counter($0.rawValue, in: factory) }
        requests = ByCase { Metric.requests.timer($0.rawValue, in: factory) }
        refusals = ByCase { Metric.refusals.counter($0.rawValue, in: factory) }
        durations = ByCase { Metric.transactionDuration.timer($0.rawValue, in: factory) }
        admission = Metric.phaseDuration.timer("admission", in: factory)
        work = Metric.phaseDuration.timer("work", in: factory)
        decision = Metric.phaseDuration.timer("decision", in: factory)
        finish = Metric.phaseDuration.timer("finish", in: factory)
        branches = Metric.branches.recorder(in: factory)
        deadlockRetries = Metric.retries.counter("deadlock", in: factory)
        serializationRetries = Metric.retries.counter("serialization_failure", in: factory)
        ownVictims = Metric.deadlockVictims.counter("tandem", in: factory)
        serverVictims = Metric.deadlockVictims.counter("postgresql", in: factory)
        localCycles = Metric.deadlockCycles.counter("one_participant", in: factory)
        distributedCycles = Metric.deadlockCycles.counter("several_participants", in: factory)
        recovered = Metric.recoveredTransactions.counter(in: factory)
        passes = Metric.recoveryPasses.counter("done", in: factory)
        failedPasses = Metric.recoveryPasses.counter("failed", in: factory)
        actions = ByCase { Metric.recoveryActions.counter($0.labelValue, in: factory) }
        participants = Dictionary(
            names.map { ($0, ParticipantCounters($0, factory)) }, uniquingKeysWith: { $1 })
        Metric.buildInfo.gauge(BuildInformation.version, BuildInformation.swift, in: factory)
            .record(1)
    }

    package func observe(_ event: EngineEvent) {
        switch event {
        case .answered(let answer, let time):
            requests[AnswerKind(answer)].record(duration: time)
            if case .refused(let failure) = answer { count(RefusalReason(failure)) }
        case .ended(let transaction): count(transaction)
        case .retried(_, let failure):
            (AbortReason(failure) == .serializationFailure ? serializationRetries : deadlockRetries)
                .increment()
        case .finishFailed(let participant, let isRetryable):
            participants[participant]?.finishFailed(isRetryable: isRetryable)
        case .heuristicOutcome(let participant):
            participants[participant]?.heuristicOutcomes.increment()
        case .recoveryPass(let pass):
            passes.increment()
            if pass.adoptedCount > 0 { recovered.increment(by: pass.adoptedCount) }
        case .recoveryFailed: failedPasses.increment()
        case .recovered(let action): actions[action].increment()
        case .scanned(let scan): participants[scan.participant]?.scanned(scan)
        case .scanFailed(let participant): participants[participant]?.failedScans.increment()
        }
    }

    /// Counts a refusal; the library has some that the engine never sees.
    package func count(_ reason: RefusalReason) { refusals[reason].increment() }

    /// Counts a deadlock that goes through so many participants.
    package func countDeadlock(participantCount: Int) {
        (participantCount > 1 ? distributedCycles : localCycles).increment()
    }

    @LoopActor
    private func count(_ transaction: ObservedTransaction) {
        guard !transaction.isWithdrawn else { return }
        let outcome = EndOutcome(transaction)
        transactions[outcome][transaction.commitMode].increment()
        branches.record(transaction.branchCount)
        if outcome == .aborted || outcome == .retried { countAbort(of: transaction) }
        let timeline = transaction.timeline
        if let time = timeline.work { work.record(duration: time) }
        if let time = timeline.decision { decision.record(duration: time) }
        if let time = timeline.finish { finish.record(duration: time) }
        // Of one that another incarnation began it is not known when.
        guard !transaction.isAdopted else { return }
        if let time = transaction.admission { admission.record(duration: time) }
        durations[outcome].record(duration: transaction.duration)
    }

    @LoopActor
    private func countAbort(of transaction: ObservedTransaction) {
        let failure = transaction.failure
        let reason = AbortReason(transaction.cause, failure)
        aborts[reason].increment()
        guard reason == .deadlock else { return }
        (failure?.isDeadlock == true ? ownVictims : serverVictims).increment()
    }
}

/// What is counted of one participant.
private struct ParticipantCounters: Sendable {
    let heuristicOutcomes: Counter
    let failedScans: Counter
    private let scans: Counter
    private let retryableFailures: Counter
    private let finalFailures: Counter
    private let orphans: Gauge
    private let unresolved: Gauge

    init(_ name: String, _ factory: any MetricsFactory) {
        heuristicOutcomes = Metric.heuristicOutcomes.counter(name, in: factory)
        scans = Metric.scans.counter(name, "done", in: factory)
        failedScans = Metric.scans.counter(name, "failed", in: factory)
        retryableFailures = Metric.finishFailures.counter(name, "true", in: factory)
        finalFailures = Metric.finishFailures.counter(name, "false", in: factory)
        orphans = Metric.orphans.gauge(name, in: factory)
        unresolved = Metric.unresolved.gauge(name, in: factory)
    }

    func finishFailed(isRetryable: Bool) {
        (isRetryable ? retryableFailures : finalFailures).increment()
    }

    func scanned(_ scan: ParticipantScan) {
        scans.increment()
        orphans.record(scan.orphanCount)
        unresolved.record(scan.reportedCount)
    }
}

extension AbortReason {
    fileprivate init(_ failure: BranchFailure) {
        self.init(.refused(branch: 0), failure)
    }
}
