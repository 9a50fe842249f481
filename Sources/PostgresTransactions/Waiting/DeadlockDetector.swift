import CommitProtocol
import EventLoop
import Logging
import TransactionEngine

/// Finds deadlocks over all participants, and aborts one transaction of each.
///
/// No server can see a deadlock that goes through several of them, and none sees that a prepared
/// transaction waits for its other branches. The detector joins what the watches of the participants
/// have read. When a cycle shows, every participant with an edge in it is read again, and only edges that
/// are in both readings count: the second began after the first was complete, so these edges held
/// together, at the moment between them. See `WaitGraph`.
///
/// The victim's waiting branch is cancelled, which makes it vote no, and the transaction aborts as after
/// any refused branch. If the lock was granted meanwhile, the branch may vote yes before the cancel
/// request arrives: then nothing is lost.
@LoopActor
final class DeadlockDetector {
    /// A branch of this replica that waited in a deadlock, and whether it had passed a gate.
    typealias WaitingBranch = (request: SessionRequest, isGated: Bool)

    let watches: [LockWatch]
    let installation: String
    let loop: EventLoop
    private let logger: Logger
    /// How sessions are exchanged with other replicas; nil if there is no state database.
    let exchange: WaitExchange?
    /// Whether a gid is of a branch that this replica has active.
    let isOurs: @LoopActor (_ gid: String) -> Bool
    /// The last reading of each participant.
    private(set) var readings: [String: LockReading] = [:]
    /// What other replicas have published.
    var elsewhere: [PublishedSession] = []
    /// Called with this replica's branches that waited in a deadlock, whichever transaction is the victim.
    var onDeadlock: (@LoopActor ([WaitingBranch]) -> Void)?
    /// Called with the number of participants that a deadlock goes through, once it is confirmed.
    var onCycle: (@LoopActor (Int) -> Void)?
    private var isConfirming = false
    private(set) var isExchanging = false

    init(
        _ watches: [LockWatch], installation: String, exchange: WaitExchange? = nil,
        loop: EventLoop, logger: Logger, isOurs: @escaping @LoopActor (_ gid: String) -> Bool
    ) {
        self.watches = watches
        self.exchange = exchange
        self.isOurs = isOurs
        self.installation = installation
        self.loop = loop
        self.logger = logger
        for watch in watches { watch.detector = self }
    }

    /// This replica's sessions with branches in them, of all participants.
    var sessions: [ServerProcess: any WatchedSession] {
        LockWatch.byProcess(watches.flatMap(\.sessions))
    }

    /// What is known of transactions now.
    var parties: LockParties {
        LockParties(
            installation: installation, sessions: watches.flatMap(\.sessions),
            elsewhere: elsewhere)
    }

    /// Takes a participant's new reading, and looks for deadlocks; nil if its server did not answer.
    func take(_ reading: LockReading?, of participant: String) {
        readings[participant] = reading
        guard !isConfirming else { return }
        let first = FoundWaits(readings.values, parties)
        let names = first.participants(in: WaitGraph(first.edges).deadlocks())
        guard !names.isEmpty else { return }
        isConfirming = true
        Task(executorPreference: loop) { await self.confirm(first, names) }
    }

    /// The participant has no sessions with branches in them.
    func forgetReading(of participant: String) { readings[participant] = nil }

    /// Reads the participants again, and aborts one transaction of each deadlock that is still there.
    ///
    /// A deadlock that is not there is nobody's: it is looked for again with the next reading.
    private func confirm(_ first: FoundWaits, _ names: Set<String>) async {
        let again = await probe(watches.filter { names.contains($0.participant) })
        isConfirming = false
        let second = FoundWaits(again, parties)
        for deadlock in WaitGraph(first.edges, confirmedBy: second.edges).deadlocks() {
            onDeadlock?(
                deadlock.cycle.compactMap {
                    guard let session = second.origins[$0.wait]?.session as? WorkingSession
                    else { return nil }
                    return (session.request, session.isGated)
                })
            onCycle?(second.participants(in: [deadlock]).count)
            cancelVictim(of: deadlock, second)
        }
    }

    /// New readings of these participants; those whose servers do not answer are missing.
    @discardableResult
    func probe(_ watches: [LockWatch]) async -> [LockReading] {
        let probes = watches.map { watch in Task { @LoopActor in await watch.probe() } }
        var readings: [LockReading] = []
        for probe in probes { if let reading = await probe.value { readings.append(reading) } }
        return readings
    }

    /// A watch has read its participant when that was due: if a branch waits for another replica's
    /// transaction, sessions are exchanged.
    func exchange(after watch: LockWatch) {
        guard exchange != nil, !isExchanging, let reading = readings[watch.participant],
            dependsOnOthers(reading)
        else { return }
        isExchanging = true
        Task(executorPreference: loop) { await self.keepExchanging() }
    }

    /// The exchange has ended.
    func noteExchangeEnd() {
        isExchanging = false
        // Participants without sessions of this replica were read for the others' sessions alone.
        for watch in watches where watch.sessions.isEmpty { forgetReading(of: watch.participant) }
    }

    /// Cancels the victim's branch, if it is this replica's; another replica finds the same victim.
    ///
    /// The waits were made of the second reading in the same turn of the loop, without those of branches
    /// that have voted or are being cancelled: see `FoundWaits`.
    private func cancelVictim(of deadlock: WaitGraph.Deadlock, _ waits: FoundWaits) {
        guard let wait = deadlock.cycle.first?.wait, let origin = waits.origins[wait],
            let session = origin.session
        else { return }
        logger.debug(
            "a deadlock's victim is cancelled",
            metadata: [
                "transaction": "\(deadlock.victim)", "transactions": "\(deadlock.cycle.count)",
                "participant": "\(origin.reading.participant)",
            ])
        session.stop(.deadlock(waits.cycle(of: deadlock)), running: origin.process.query)
    }

    /// The waits of a transaction's branches, as they were read last.
    func waits(of transaction: GlobalTransactionID) -> [LockWaitReport] {
        let parties = parties
        var found: [LockWaitReport] = []
        for watch in watches {
            guard let reading = readings[watch.participant] else { continue }
            found += reading.processes.values.filter { process in
                reading.sessions[process.id]?.isWorking ?? false
                    && parties.transaction(of: process.id, in: reading)?.id == transaction
            }.compactMap { parties.report($0, in: reading) }
        }
        return found.sorted { ($0.waiter.branch ?? 0) < ($1.waiter.branch ?? 0) }
    }
}
