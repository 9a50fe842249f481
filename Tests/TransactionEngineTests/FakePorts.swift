import CommitProtocol
import EventLoop
import TransactionEngine

/// A clock that the test advances.
final class FakeClock: EngineClock {
    private struct State {
        var now: Int64 = 0
        var timers: [Timer] = []
    }

    final class Timer: ScheduledTimer {
        let due: Int64
        let body: @LoopActor () -> Void
        let isCancelled = Lock(false)

        init(due: Int64, body: @escaping @LoopActor () -> Void) {
            self.due = due
            self.body = body
        }

        func cancel() { isCancelled.withLock { $0 = true } }
    }

    private let state = Lock(State())

    var microseconds: Int64 { state.withLock { $0.now } * 1000 }
    var wallTime: Timestamp { microseconds }
    /// How many timers are armed.
    var armed: Int {
        state.withLock { $0.timers.count { !$0.isCancelled.withLock { $0 } } }
    }

    /// Advances the time if a timer is due within it; else time stands still, however slow the
    /// machine is.
    func attempt(within milliseconds: Int64) {
        let isDue = state.withLock { state in
            state.timers.contains {
                $0.due <= state.now + milliseconds && !$0.isCancelled.withLock { $0 }
            }
        }
        if isDue { advance(milliseconds: milliseconds) }
    }

    func schedule(
        after delay: Duration, _ body: @escaping @LoopActor () -> Void
    ) -> any ScheduledTimer {
        state.withLock {
            let (seconds, attoseconds) = delay.components
            let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
            let timer = Timer(due: $0.now + milliseconds, body: body)
            $0.timers.append(timer)
            return timer
        }
    }

    func advance(milliseconds: Int64) {
        let due = state.withLock {
            $0.now += milliseconds
            let now = $0.now
            let due = $0.timers.filter { $0.due <= now }
            $0.timers.removeAll { $0.due <= now }
            return due
        }
        for timer in due where !timer.isCancelled.withLock({ $0 }) {
            Task { @LoopActor in timer.body() }
        }
    }
}

/// Signals that reach no replica.
final class FakeSignals: ReplicaSignals {
    private let all = Lock<[ReplicaSignal]>([])

    var sent: [ReplicaSignal] { all.withLock { $0 } }

    func send(_ signal: ReplicaSignal) async { all.withLock { $0.append(signal) } }
}

/// A log of rows that the test writes.
final class FakeLog: DecisionLog {
    struct State {
        var rows: [GlobalTransactionID: TransactionRecord] = [:]
        /// What the next recovery passes take over, and the active transactions when each asked.
        var unowned: [TransactionRecord] = []
        var claims: [Set<GlobalTransactionID>] = []
        /// Runs before a claim asks for the active transactions, and before it answers.
        var beforeClaim: @Sendable () async -> Void = {}
        var duringClaim: @Sendable () async -> Void = {}
        var confirmations = 0
        /// Whether no write can confirm a row.
        var refusesConfirmations = false
        /// What a durable write returns instead of the row.
        var confirmed: TransactionRecord?
        /// Whether finish records are kept waiting.
        var isFinishHeld = false
        var finishing: [CheckedContinuation<Void, Never>] = []
        /// Whether a finish that was read cannot be recorded.
        var isUnreachable = false
        var acceptance = LogAnswer.accepted
        /// Rows are not accepted before the test says so.
        var isAcceptHeld = false
        var accepting: [CheckedContinuation<Void, Never>] = []
        var decision = LogAnswer.unknown(reason: "")
        /// How often a decision was asked for.
        var decisions = 0
        var delegation = LogAnswer.unknown(reason: "")
        /// The successors that came with aborts; each is accepted, unless `refusesSuccessors`.
        var successors: [TransactionRecord] = []
        var refusesSuccessors = false
        /// The answers to the next aborts that come with a successor, before it is accepted.
        var answersToSuccession: [LogAnswer] = []
        var lastNumber: Int64 = 1
        /// Writes are answered before `perform` returns, each as asked; in this order.
        var answersAtOnce = false
        var writes: [LogRequest] = []
        var tombstone = LogAnswer.unknown(reason: "")
        /// Where the page after a short one begins.
        var nextCursor: Int64?
        var queues: [QueueSummary] = []
        var replicas: [ReplicaReport] = []
        var standings: [GlobalTransactionID: RowStanding] = [:]
        /// What operators have recorded.
        var resolutions: [Resolution] = []
    }

    let loop = EventLoop.shared
    let installation = "8b7e1c0e-0000-4000-8000-000000000001"
    let replica = "here"
    let epoch: Int64 = 1
    let state = Lock(State())

    func put(_ row: TransactionRecord) { state.withLock { $0.rows[row.id] = row } }

    @LoopActor
    func nextTransactionID(
        then completion: @escaping @LoopActor (Result<GlobalTransactionID, LogUnavailable>) -> Void
    ) {
        let number = state.withLock {
            $0.lastNumber += 1
            return $0.lastNumber
        }
        completion(.success(GlobalTransactionID(number: number, salt: 2)))
    }

    @LoopActor
    func perform(_ write: LogWrite, then completion: @escaping @LoopActor (LogAnswer) -> Void) {
        let answersAtOnce = state.withLock { state in
            state.writes.append(write.request)
            return state.answersAtOnce
        }
        guard answersAtOnce else {
            Task { @LoopActor in completion(await answer(to: write)) }
            return
        }
        if write.request.isLazy {
            put(write.record)
            completion(.recorded)
        } else if write.request == .delegate {
            completion(.delegated(evidence: [nil]))
        } else if let decision = write.request.decision {
            completion(.decided(decision, evidence: write.record.branches.map { _ in nil }))
        } else {
            completion(.accepted)
        }
    }

    private func answer(to write: LogWrite) async -> LogAnswer {
        switch write.request {
        case .accept:
            await wait { $0.isAcceptHeld ? \.accepting : nil }
            return state.withLock { $0.acceptance }
        case .decide:
            return state.withLock {
                $0.decisions += 1
                guard let successor = write.successor else { return $0.decision }
                $0.successors.append(successor)
                if $0.refusesSuccessors { return .decided(.abort, evidence: []) }
                guard $0.answersToSuccession.isEmpty else {
                    return $0.answersToSuccession.removeFirst()
                }
                return .retried
            }
        case .tombstone: return state.withLock { $0.tombstone }
        case .delegate: return state.withLock { $0.delegation }
        case .copy(.abort) where write.successor != nil:
            return state.withLock {
                $0.successors += write.successor.map { [$0] } ?? []
                guard $0.answersToSuccession.isEmpty else {
                    return $0.answersToSuccession.removeFirst()
                }
                return .retried
            }
        case .copy(let decision):
            var row = write.record
            row.decision = decision
            put(row)
            return .decided(decision, evidence: [])
        case .finish, .report, .noteOutcomes:
            await wait { $0.isFinishHeld ? \.finishing : nil }
            put(write.record)
            return .recorded
        }
    }

    /// Waits until the test lets these go on; not at all if `waiters` is nil.
    private func wait(
        among waiters: (State) -> WritableKeyPath<State, [CheckedContinuation<Void, Never>]>?
    ) async {
        await withCheckedContinuation { reply in
            let isHeld = state.withLock { state in
                guard let waiters = waiters(state) else { return false }
                state[keyPath: waiters].append(reply)
                return true
            }
            if !isHeld { reply.resume() }
        }
    }

    func letAcceptancesLand() {
        let waiting = state.withLock { state in
            defer { state.accepting = [] }
            return state.accepting
        }
        for reply in waiting { reply.resume() }
    }

    func operatorQueue() async throws(LogUnavailable) -> OperatorQueue? { nil }

    func recordFinish(_ record: TransactionRecord) async throws(LogUnavailable) {
        if state.withLock({ $0.isUnreachable }) { throw LogUnavailable("") }
        put(record)
    }

    func letFinishRecordsLand() {
        let waiting = state.withLock { state in
            defer { state.finishing = [] }
            return state.finishing
        }
        for reply in waiting { reply.resume() }
    }

    func record(_ id: GlobalTransactionID) async throws(LogUnavailable) -> TransactionRecord? {
        state.withLock { $0.rows[id] }
    }

    func record(
        principal: String, keyDigest: [UInt8]
    ) async throws(LogUnavailable) -> TransactionRecord? {
        state.withLock { $0.rows.values.first { $0.idempotency?.keyDigest == keyDigest } }
    }

    func records(_ filter: RecordFilter) async throws(LogUnavailable) -> RecordPage {
        let rows = state.withLock { $0.rows.values.sorted { $1.id < $0.id } }
        let page = rows.filter { $0.id.number < filter.cursor ?? .max }.prefix(filter.limit)
        return RecordPage(
            records: Array(page),
            next: page.count == filter.limit
                ? page.last?.id.number : state.withLock { $0.nextCursor })
    }

    func queues(countMax: Int) async throws(LogUnavailable) -> [QueueSummary] {
        if state.withLock({ $0.isUnreachable }) { throw LogUnavailable("it is gone") }
        return state.withLock { $0.queues }
    }

    func replicas() async throws(LogUnavailable) -> [ReplicaReport] {
        if state.withLock({ $0.isUnreachable }) { throw LogUnavailable("it is gone") }
        return state.withLock { $0.replicas }
    }

    func requestRollback(_ id: GlobalTransactionID) async throws(LogUnavailable) {}

    func claimUnowned(
        limit: Int, known: [String], active: @Sendable () async -> [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [TransactionRecord] {
        await state.withLock { $0.beforeClaim }()
        let active = Set(await active())
        await state.withLock { $0.duringClaim }()
        return state.withLock { state in
            state.claims.append(active)
            let claimed = state.unowned.filter { !active.contains($0.id) }.prefix(limit)
            state.unowned.removeAll { row in claimed.contains { $0.id == row.id } }
            return Array(claimed)
        }
    }

    func expired(limit: Int) async throws(LogUnavailable) -> [TransactionRecord] { [] }

    func confirmedRecord(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? {
        if state.withLock({ $0.refusesConfirmations }) { throw LogUnavailable("it is read only") }
        return state.withLock {
            $0.confirmations += 1
            return $0.confirmed ?? $0.rows[id]
        }
    }

    func resolve(
        _ record: TransactionRecord, by resolution: Resolution, changing change: ResolutionChange
    ) async throws(LogUnavailable) -> Bool { false }

    func resolutions(of id: GlobalTransactionID) async throws(LogUnavailable) -> [Resolution] {
        state.withLock { $0.resolutions }
    }

    func standing(
        of ids: [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [GlobalTransactionID: RowStanding] {
        if state.withLock({ $0.isUnreachable }) { throw LogUnavailable("it is gone") }
        return state.withLock { $0.standings }
    }

    func lowWaterMark() async throws(LogUnavailable) -> Int64 { 0 }
}

/// Participants whose commit points hold what the test says.
final class FakeParticipants: Participants {
    struct State {
        /// Runs while a commit point is being read, and returns what it holds.
        var commitPoint: @Sendable (CommitPointQuery) -> CommitPointReading = { _ in .nothing }
        var commitPointReads: [CommitPointQuery] = []
        /// What a branch of a commit shows.
        var reading = FinishInquiry.Reading.open
        /// Whether a later write shows that standbys have confirmed the commit.
        var areCommitsReplicated = true
        var commitReads: [FinishRequest] = []
        /// Reservations, work and requests to finish are answered before the function returns.
        var answersAtOnce = false
        var questions: [CheckedContinuation<CommitPointReport, Never>] = []
        var finishRequests: [FinishRequest] = []
        /// The answer to requests to finish branches.
        var finishReply = FinishReply.done
        /// The participants that were to be connected to at once.
        var connectedNow: [String] = []
        var inventory = PreparedInventory(entries: [], count: 0)
        /// What a scan finds.
        var prepared: [PreparedTransaction] = []
        /// Requests to finish branches are not answered before the test says so.
        var isFinishHeld = false
        var finishing: [CheckedContinuation<Void, Never>] = []
        /// Work goes on until it is cancelled.
        var isEndless = false
        /// Whether work goes on although it was cancelled.
        var ignoresCancel = false
        var working: [CheckedContinuation<Void, Never>] = []
        /// The failures of the next branches that work; the others are prepared.
        var failures: [BranchFailure] = []
        /// The work that branches began, in order.
        var works: [WorkRequest] = []
        var workOrder: [Int]?
        /// Whether a run after the first gets no sessions before the test says so.
        var isReservationHeld = false
        var reserving: [CheckedContinuation<Void, Never>] = []
        var repeatedReservations = 0
        /// Why the next reservations of repeated runs are refused.
        var refusals: [AdmissionFailure] = []
        /// The participant's version that new sessions lead to.
        var version: Int?
        /// Whether a journal is kept in every participant.
        var keepsJournals = false
    }

    let names = ["orders", "users"]
    let state = Lock(State())

    func keepsJournal(_ name: String) -> Bool { state.withLock { $0.keepsJournals } }

    func sessionsMax(of name: String) -> Int? { 10 }

    func workOrder(_ requests: [SessionRequest]) -> [Int]? { state.withLock { $0.workOrder } }

    func waits(in name: String) async throws(ParticipantUnreachable) -> [LockWaitReport] { [] }

    func waits(of transaction: GlobalTransactionID) async -> [LockWaitReport] { [] }

    func reserve(
        _ requests: [SessionRequest], runsAgain: Bool, within: Duration,
        then completion:
            @escaping @LoopActor (Result<[any BranchSession], AdmissionFailure>) -> Void
    ) -> (@LoopActor () -> Void)? {
        if state.withLock({ $0.answersAtOnce }) {
            completion(
                .success(
                    requests.map { _ in FakeSession(participants: self, participantVersion: nil) }))
            return nil
        }
        let wait = Task { @LoopActor in
            do throws(AdmissionFailure) {
                completion(.success(try await sessions(for: requests, runsAgain: runsAgain)))
            } catch {
                completion(.failure(error))
            }
        }
        return { wait.cancel() }
    }

    private func sessions(
        for requests: [SessionRequest], runsAgain: Bool
    ) async throws(AdmissionFailure) -> [any BranchSession] {
        if runsAgain {
            await withTaskCancellationHandler {
                await withCheckedContinuation { reply in
                    let isHeld = state.withLock { state in
                        state.repeatedReservations += 1
                        guard state.isReservationHeld, !Task.isCancelled else { return false }
                        state.reserving.append(reply)
                        return true
                    }
                    if !isHeld { reply.resume() }
                }
            } onCancel: {
                letReservationsPass()
            }
            if Task.isCancelled { throw .cancelled }
            let refusal = state.withLock { state in
                state.refusals.isEmpty ? nil : state.refusals.removeFirst()
            }
            if let refusal { throw refusal }
        }
        let version = state.withLock { $0.version }
        return requests.map { _ in
            FakeSession(participants: self, participantVersion: version)
        }
    }

    func letReservationsPass() {
        let waiting = state.withLock { state in
            defer { state.reserving = [] }
            return state.reserving
        }
        for reply in waiting { reply.resume() }
    }

    /// Waits as long as the work of a session takes.
    func work() async {
        await withCheckedContinuation { reply in
            let isEndless = state.withLock {
                if $0.isEndless { $0.working.append(reply) }
                return $0.isEndless
            }
            if !isEndless { reply.resume() }
        }
    }

    func cancelWork() {
        let working = state.withLock { state in
            defer { state.working = [] }
            return state.working
        }
        for reply in working { reply.resume() }
    }

    func finish(
        _ request: FinishRequest, then completion: @escaping @LoopActor (FinishReport) -> Void
    ) {
        if state.withLock({ $0.answersAtOnce }) {
            let reply = state.withLock { state in
                state.finishRequests.append(request)
                return state.finishReply
            }
            return completion(FinishReport(reply))
        }
        Task { @LoopActor in completion(await report(on: request)) }
    }

    private func report(on request: FinishRequest) async -> FinishReport {
        await withCheckedContinuation { reply in
            let isHeld = state.withLock {
                $0.finishRequests.append(request)
                if $0.isFinishHeld { $0.finishing.append(reply) }
                return $0.isFinishHeld
            }
            if !isHeld { reply.resume() }
        }
        return FinishReport(state.withLock { $0.finishReply })
    }

    func letBranchesFinish() {
        let waiting = state.withLock { state in
            defer { state.finishing = [] }
            return state.finishing
        }
        for reply in waiting { reply.resume() }
    }

    func queryCommitPoint(_ query: CommitPointQuery) async -> CommitPointReport {
        await withCheckedContinuation { reply in
            state.withLock { $0.questions.append(reply) }
        }
    }

    /// Answers the waiting queries; false if there are none.
    func answer(_ answer: CommitPointAnswer) -> Bool {
        let waiting = state.withLock { state in
            defer { state.questions = [] }
            return state.questions
        }
        for reply in waiting { reply.resume(returning: CommitPointReport(answer)) }
        return !waiting.isEmpty
    }

    func readCommitPoint(_ query: CommitPointQuery) async -> CommitPointReading {
        let read = state.withLock {
            $0.commitPointReads.append(query)
            return $0.commitPoint
        }
        return read(query)
    }

    func isCommitReplicated(_ branch: FinishRequest) async -> Bool {
        state.withLock { $0.areCommitsReplicated }
    }

    func commitStatus(of branch: FinishRequest) async -> FinishInquiry.Reading {
        state.withLock {
            $0.commitReads.append(branch)
            return $0.reading
        }
    }

    func preparedTransactions(
        in name: String
    ) async throws(ParticipantUnreachable) -> [PreparedTransaction] {
        state.withLock { $0.prepared }
    }

    func inventory(of name: String) async throws(ParticipantUnreachable) -> PreparedInventory {
        state.withLock { $0.inventory }
    }

    func connectNow(to name: String) { state.withLock { $0.connectedNow.append(name) } }

    func statuses() async -> [ParticipantStatus] { [] }
    var waitingRequestCount: Int { 0 }
}

/// A session whose work is prepared at once, or when it is cancelled.
struct FakeSession: BranchSession {
    let participants: FakeParticipants
    nonisolated static let evidence = PreparedEvidence(
        transactionID: 1, owner: "o", systemIdentifier: "7", timeline: 1, location: "0/1")
    let participantVersion: Int?

    var server: ServerTimeline? { participants.keepsJournal("") ? Bench.server : nil }

    func work(_ request: WorkRequest, then completion: @escaping @LoopActor (WorkReport) -> Void) {
        if participants.state.withLock({ $0.answersAtOnce }) {
            return completion(vote(on: request))
        }
        Task { @LoopActor in completion(await report(on: request)) }
    }

    private func vote(on request: WorkRequest) -> WorkReport {
        let failure = participants.state.withLock { state in
            state.works.append(request)
            return state.failures.isEmpty ? nil : state.failures.removeFirst()
        }
        let reply: WorkReply =
            failure != nil
            ? .refused
            : request.commitMode.isCommitPoint ? .ready(Self.evidence) : .prepared(Self.evidence)
        return WorkReport(reply: reply, results: [], failure: failure, session: nil)
    }

    private func report(on request: WorkRequest) async -> WorkReport {
        let vote = vote(on: request)
        if vote.failure == nil { await participants.work() }
        return vote
    }

    func commit(
        _ entry: JournalEntry?, then completion: @escaping @LoopActor (LocalCommitReport) -> Void
    ) {
        completion(LocalCommitReport(.unknown))
    }

    func finish(
        _ decision: Decision, then completion: @escaping @LoopActor (FinishReport) -> Void
    ) {
        completion(FinishReport(.done))
    }

    func cancel() {
        if participants.state.withLock({ $0.ignoresCancel }) { return }
        participants.cancelWork()
    }

    func release() {}
}
