import CommitProtocol
import EventLoop

/// The transactions that this replica coordinates, and those it has finished whose finish record is
/// not durable yet.
@LoopActor
final class TransactionTable {
    private var active: [GlobalTransactionID: ActiveTransaction] = [:]
    /// Finished here, with the finish record on its way: a status must not fall back to the row's.
    private var unrecorded: [GlobalTransactionID: TransactionRecord] = [:]
    /// Requests that were let in and have no transaction yet; most of them wait for sessions.
    private var admissionCount = 0
    /// Transactions whose finish another replica waits for.
    private var watchedElsewhere: Set<GlobalTransactionID> = []
    private let changes: WaitList<GlobalTransactionID>
    private let finishRecords: WaitList<GlobalTransactionID>
    private let idle: WaitList<Bool>
    private var timelines: TimelineMemory

    init(_ clock: any EngineClock, _ limits: EngineLimits) {
        timelines = TimelineMemory(capacity: limits.timelinesMax)
        changes = WaitList(clock)
        finishRecords = WaitList(clock)
        idle = WaitList(clock)
    }

    subscript(id: GlobalTransactionID) -> ActiveTransaction? { active[id] }

    /// The transactions that this replica coordinates, in no particular order.
    var all: [ActiveTransaction] { Array(active.values) }

    var count: Int { active.count }

    /// Every transaction that this replica answers for: active, or finished and not yet recorded.
    var ids: [GlobalTransactionID] { Array(active.keys) + Array(unrecorded.keys) }

    func contains(_ id: GlobalTransactionID) -> Bool {
        active[id] != nil || unrecorded[id] != nil
    }

    /// Whether it finished here and its finish record is not durable yet.
    func isRecording(_ id: GlobalTransactionID) -> Bool { unrecorded[id] != nil }

    /// Whether this replica knows a state that may be reported only once it is recorded, and it is not.
    func isUnrecorded(_ known: TransactionRecord) -> Bool {
        guard !FinishInquiry.mayReportBeforeRecord(known.state) else { return false }
        if let transaction = active[known.id] {
            return transaction.notedHeuristicCount < known.heuristicCount
        }
        return isRecording(known.id)
    }

    /// What this replica knows of a transaction beyond its row; nil if that is nothing.
    func record(of id: GlobalTransactionID) -> TransactionRecord? {
        if let transaction = active[id] {
            return transaction.machine.isAccepted ? transaction.view : nil
        }
        return unrecorded[id]
    }

    func insert(_ transaction: ActiveTransaction) {
        active[transaction.id] = transaction
    }

    /// Forgets a transaction that has ended here.
    func remove(_ transaction: ActiveTransaction) {
        active[transaction.id] = nil
        changes.wake(transaction.id)
        wakeIfIdle()
    }

    /// Keeps the timeline of a transaction that has ended here.
    func remember(_ timeline: TransactionTimeline, _ state: TransactionState) {
        timelines.insert(timeline, state)
    }

    /// The timeline of a transaction that this replica coordinates, or has ended lately.
    func timeline(of id: GlobalTransactionID) -> TransactionTimeline? {
        active[id]?.timeline ?? timelines[id]
    }

    /// Keeps what this replica knows until its record is durable.
    func beginRecording(_ record: TransactionRecord) {
        unrecorded[record.id] = record
    }

    /// Notes that the record is durable; true if another replica waits for that.
    func endRecording(_ id: GlobalTransactionID) -> Bool {
        unrecorded[id] = nil
        finishRecords.wake(id)
        wakeIfIdle()
        return watchedElsewhere.remove(id) != nil
    }

    /// Another replica waits for the finish record of a transaction.
    func watch(_ id: GlobalTransactionID) {
        if contains(id) { watchedElsewhere.insert(id) }
    }

    // MARK: Waiting

    func stateChanged(_ id: GlobalTransactionID) { changes.wake(id) }

    /// Waits until the state of an active transaction changes.
    func waitForChange(of id: GlobalTransactionID, within limit: Duration) async {
        await changes.wait(for: id, within: limit, unless: { self.active[id] == nil })
    }

    /// Another replica signalled that a finish is recorded; nil if such signals may have been missed.
    func finishRecorded(_ id: GlobalTransactionID?) {
        if let id { finishRecords.wake(id) } else { finishRecords.wakeAll() }
    }

    /// Waits until a finish is recorded, here or by another replica that signals it, or until this
    /// replica receives signals again after an interruption.
    func waitForFinishRecord(of id: GlobalTransactionID, within limit: Duration) async {
        await finishRecords.wait(for: id, within: limit)
    }

    func admissionBegan() { admissionCount += 1 }

    func admissionEnded() {
        admissionCount -= 1
        wakeIfIdle()
    }

    /// Whether every transaction has ended and every admission is over.
    var isEmpty: Bool { active.isEmpty && admissionCount == 0 }

    /// Also every finish record is durable: the next incarnation would have to find out again how a
    /// transaction was finished whose record was lost.
    private var isIdle: Bool { isEmpty && unrecorded.isEmpty }

    func wakeIfIdle() {
        if isIdle { idle.wake(true) }
    }

    /// Waits until nothing is under way and nothing is left to record.
    func waitUntilIdle(within limit: Duration) async {
        await idle.wait(for: true, within: limit, unless: { self.isIdle })
    }
}
