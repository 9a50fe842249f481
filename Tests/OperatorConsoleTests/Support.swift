import CommitProtocol
import EventLoop

@testable import OperatorConsole
@testable import TransactionEngine

/// A clock that a test sets.
final class HandClock: EngineClock {
    private let time: Lock<Int64>
    private let timers = Lock<[@LoopActor () -> Void]>([])

    init(milliseconds: Int64) { time = Lock(milliseconds) }

    var microseconds: Int64 { time.withLock { $0 } * 1_000 }
    var wallTime: Timestamp { microseconds }

    func advance(milliseconds: Int64) { time.withLock { $0 += milliseconds } }

    func schedule(
        after delay: Duration, _ body: @escaping @LoopActor () -> Void
    ) -> any ScheduledTimer {
        timers.withLock { $0.append(body) }
        return Timer()
    }

    /// Waits for a timer, and fires it at once.
    @LoopActor
    func fireNextTimer() async {
        while true {
            let next = timers.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            if let next { return next() }
            await Task.yield()
        }
    }

    /// Waits for a timer, and leaves it.
    @LoopActor
    func untilTimerIsSet() async {
        while timers.withLock({ $0.isEmpty }) { await Task.yield() }
    }

    /// Fires whenever the test says.
    private struct Timer: ScheduledTimer {
        func cancel() {}
    }
}

/// Records for the pages.
enum Records {
    static let acceptedAt: Timestamp = 1_772_366_400_000_000
    /// A moment at which a record without a decision is still before its deadline.
    static let moment = Moment(now: acceptedAt + 2_000_000)
    static let evidence = PreparedEvidence(
        transactionID: 771, owner: "tandem", systemIdentifier: "7000000000000000001", timeline: 3,
        location: "0/16B3748")

    /// A transaction over `users` and `orders`, both of which are prepared.
    static func record(
        _ state: TransactionState, _ decision: Decision? = nil, gid: String = "tandem:i:7:0",
        labels: [TransactionRequest.Label] = []
    ) -> TransactionRecord {
        var branches = [
            BranchRecord(participant: "users", gid: gid),
            BranchRecord(participant: "orders", gid: "tandem:i:7:1"),
        ]
        for index in branches.indices {
            branches[index].vote = .prepared
            branches[index].evidence = evidence
        }
        var record = TransactionRecord(
            id: GlobalTransactionID(number: 7, salt: 1), principal: "anonymous", idempotency: nil,
            isolation: .readCommitted, labels: labels, owner: "replica-1", epoch: 1,
            acceptedAt: acceptedAt, deadline: acceptedAt + 10_000_000, state: state,
            branches: branches)
        record.decision = decision
        record.decidedAt = decision == nil ? nil : acceptedAt + 1_000_000
        return record
    }

    /// What is known of a participant.
    static func status(
        _ name: String, isAvailable: Bool = true, lastError: String? = nil,
        hazards: [Hazard]? = nil
    ) -> ParticipantStatus {
        ParticipantStatus(
            name: name, isAvailable: isAvailable, isConnecting: false, poolSize: 1, connections: 1,
            idle: 1, slots: nil, lastError: lastError, systemIdentifier: name, timeline: 1,
            version: 1, circuit: .closed, failuresInARow: 0,
            hazards: hazards.map(survey))
    }

    /// These hazards, as they were read a minute before the moment.
    static func survey(_ hazards: [Hazard]) -> HazardSurvey {
        HazardSurvey(
            hazards: hazards, transactionIDsLeft: 2_000_000_000, secondsToWraparound: 86_400,
            at: moment.now - 60_000_000)
    }

    /// A prepared transaction in `users` that is left to an operator.
    static func reported(
        hasRow: Bool = false, isOurs: Bool = true
    ) -> ReportedTransaction {
        ReportedTransaction(
            participant: "users", gid: "tandem:i:9:0", reason: "nothing proves its outcome",
            remedy: "Look at the data.", owner: "tandem", database: "users", preparedAt: 0,
            isOurs: isOurs,
            branch: ReportedTransaction.Branch(
                transaction: GlobalTransactionID(number: 9, salt: 1), number: 3, hasRow: hasRow))
    }

    /// The page of the participant `users`.
    static func participantPage(
        reported: [ReportedTransaction] = [], hazards: [Hazard]? = nil, isReadOnly: Bool = false
    ) -> String {
        ParticipantPage(
            participant: ParticipantView(
                status: status("users", hazards: hazards), reported: reported, reading: nil),
            waits: nil, moment: moment, isReadOnly: isReadOnly
        ).html.markup
    }

    /// An answer in which one transaction is prepared, for as long as this when it was asked.
    static func reading(
        at: Timestamp, gid: String = "tandem:i:7:0", ageSeconds: Double
    ) -> PreparedReading {
        let found = PreparedInventory.Entry(
            gid: gid, transactionID: 1, transactionIDAge: 2, role: "tandem", database: "users",
            preparedAt: 0, ageSeconds: ageSeconds, claim: .otherRole, locks: [], lockCount: 0,
            blocked: [], blockedCount: 0)
        let entry = PreparedReport.Entry(
            found: found, kind: .own, transaction: nil, branch: nil, remedy: "")
        return PreparedReading(
            at: at, duration: 1,
            answer: .success(PreparedReport(observedAt: at, entries: [entry], count: 1)))
    }

    /// The page of a transaction.
    static func page(
        _ record: TransactionRecord, events: [TimelineEvent] = [],
        readings: [String: PreparedReading] = [:], isReadOnly: Bool = false
    ) -> String {
        TransactionPage(
            record: record, events: events, waits: [], nextAttempts: [:], readings: readings,
            replica: "replica-1", moment: moment, isReadOnly: isReadOnly
        ).html.markup
    }
}
