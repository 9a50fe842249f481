import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// Reserves sessions for requests, all or none, and keeps the queue of the requests that wait.
///
/// It runs for every transaction, and on a busy server most requests wait here: so there is no task, no
/// hashing of names, and one timer for all.
@LoopActor
final class SessionReservations {
    private let members: [PostgresParticipant]
    private let supply: SessionSupply
    private let contention: Contention
    private let loop: EventLoop
    private let queue: SessionQueue
    private let queueMax: Int
    /// How many contended requests may wait: they stay long, and must leave others a place to wait in.
    private var contendedQueueMax: Int { max(1, queueMax / 2) }
    /// What may serve waiting requests at the end of this turn of the loop, or before the next request.
    private var dueParticipants: [Int] = []
    private var dueGates: [RowGate] = []
    private var isServingDue = false
    private var isServing = false
    /// Participants whose waiting requests are served once slots are counted again.
    private var recounting: Set<Int> = []
    /// Runs at the earliest deadline of a request that waits, or before: one that is served in time leaves
    /// it as it is.
    private var timer: LoopTimer?
    private var timerDeadline: ContinuousClock.Instant?
    private(set) var lastTicket = 0
    private var isClosed = false

    /// How many requests wait.
    var waitingCount: Int { queue.count }

    init(
        _ members: [PostgresParticipant], contention: Contention, queueMax: Int, loop: EventLoop
    ) {
        self.members = members
        self.contention = contention
        self.queueMax = queueMax
        self.loop = loop
        queue = SessionQueue(participants: members.count)
        supply = SessionSupply(members, queue)
        for (place, member) in members.enumerated() {
            let serve: @LoopActor () -> Void = { [weak self] in self?.serveSoon(place) }
            member.workers.onIdle = serve
            member.workers.onFailure = serve
            member.onRoomForContended = serve
            member.onOpenGate = { [weak self] in self?.serveSoon($0) }
            member.onContention = { [weak self] in self?.noteContention(of: $0, among: $1) }
        }
    }

    /// Refuses the requests that wait, and all that come.
    func close() {
        isClosed = true
        for waiter in queue.removeAll() { waiter.answer(.failure(.draining)) }
    }

    /// Takes a session for every branch, all or none, and calls the completion once: possibly before it
    /// returns.
    ///
    /// A request that waits holds no session, so a participant that is slow or dead delays only requests
    /// that need it. The request that has waited longest has sessions kept for it (see `kept`). The
    /// sessions have passed the gates of their branches.
    ///
    /// - Returns: what gives up the wait; nil if the request is answered.
    func reserve(
        _ requests: [SessionRequest], runsAgain: Bool, within limit: Duration,
        then completion: @escaping Completion<SessionWaiter.Outcome>
    ) -> (@LoopActor () -> Void)? {
        let waiter = SessionWaiter(
            requests, need: SessionNeed(requests, among: supply.names),
            contended: contention.find(requests), runsAgain: runsAgain, limit: limit,
            completion: completion)
        // What has become free in this turn belongs to those that wait.
        serveDue()
        admit(waiter)
        if waiter.isAnswered { return nil }
        return { [weak self] in self?.cancel(waiter) }
    }

    /// Answers a request that does not wait yet, has the slots of a server counted for it, or lets it join
    /// the queue.
    private func admit(_ waiter: SessionWaiter) {
        if waiter.isAnswered { return }
        if isClosed { return waiter.answer(.failure(.draining)) }
        do throws(AdmissionFailure) {
            if queue.mayPass(waiter.contended.gates), let sessions = try supply.take(for: waiter) {
                freeWhatIsKept(after: waiter)
                return waiter.answer(.success(sessions))
            }
        } catch {
            guard waiter.countsLeft > 0, let member = memberToCount(before: error, of: waiter)
            else { return waiter.answer(.failure(error)) }
            waiter.countsLeft -= 1
            return count(member) { self.admit(waiter) }
        }
        if let refusal = queueRefusal(of: waiter) { return waiter.answer(.failure(refusal)) }
        lastTicket += 1
        waiter.begin(ticket: lastTicket, at: loop.now)
        queue.append(waiter)
        if let deadline = waiter.deadline { expire(at: deadline) }
    }

    /// Why a request finds no place in the queue; nil if it does.
    private func queueRefusal(of waiter: SessionWaiter) -> AdmissionFailure? {
        // A request that runs again has been admitted.
        if waiter.runsAgain { return nil }
        guard queue.count < queueMax else { return .overloaded(.waiting(limit: queueMax)) }
        guard queue.contendedCount >= contendedQueueMax, waiter.contended.isContended
        else { return nil }
        return .overloaded(.waitingContended(limit: contendedQueueMax))
    }

    /// The participant whose slots are to be counted again before a request is refused; nil if the count
    /// is recent.
    private func memberToCount(
        before refusal: AdmissionFailure, of waiter: SessionWaiter
    ) -> PostgresParticipant? {
        guard case .slotsExhausted(let name, _) = refusal,
            let member = members.first(where: { $0.options.name == name }),
            member.needsCountBeforeRefusal(of: waiter.requests.count)
        else { return nil }
        return member
    }

    private func count(
        _ member: PostgresParticipant, then body: @escaping @LoopActor @Sendable () -> Void
    ) {
        Task(executorPreference: loop) {
            await member.recount()
            await body()
        }
    }

    // MARK: Serving

    /// Serves the requests that wait for a participant, at the end of this turn of the loop.
    ///
    /// A session is given back before its branch's vote is delivered, and the vote is more urgent: other
    /// transactions may wait for the locks.
    private func serveSoon(_ participant: Int) {
        guard queue.count > 0, !dueParticipants.contains(participant) else { return }
        dueParticipants.append(participant)
        scheduleServing()
    }

    /// The same of the requests that wait at a gate.
    private func serveSoon(_ gate: RowGate) {
        guard !gate.lines.isEmpty, !dueGates.contains(where: { $0 === gate }) else { return }
        dueGates.append(gate)
        scheduleServing()
    }

    private func scheduleServing() {
        guard !isServingDue else { return }
        isServingDue = true
        loop.atEndOfTurn { [weak self] in
            self?.isServingDue = false
            self?.serveDue()
        }
    }

    /// Serves what is due; the requests at a gate first, since a row has one user at a time, and a
    /// participant has several sessions.
    ///
    /// A request that is answered may give sessions back, or ask for some, before this returns. So what becomes
    /// due meanwhile is served by the same loop, and not by a call within the call.
    private func serveDue() {
        guard !isServing else { return }
        isServing = true
        defer { isServing = false }
        while !dueGates.isEmpty || !dueParticipants.isEmpty {
            if dueGates.isEmpty {
                serve(dueParticipants.removeFirst())
            } else {
                let gate = dueGates.removeFirst()
                queue.serve(gate) { outcome(for: $0, mayCount: true) }
            }
            for gate in queue.takeFreedGates() { serveSoon(gate) }
        }
    }

    /// Serves the requests that wait for a participant, in order, passing over those that must wait on.
    ///
    /// - Parameter mayCount: whether slots may be counted before a request is refused; it then waits on,
    ///   and is served again after the count.
    private func serve(_ participant: Int, mayCount: Bool = true) {
        queue.serve(participant) { outcome(for: $0, mayCount: mayCount) }
    }

    private func outcome(
        for turn: SessionQueue.Turn, mayCount: Bool
    ) -> SessionWaiter.Outcome? {
        let waiter = turn.waiter
        do throws(AdmissionFailure) {
            guard let sessions = try supply.take(for: waiter, place: turn.place) else {
                return nil
            }
            freeWhatIsKept(after: waiter)
            return .success(sessions)
        } catch {
            if mayCount, let member = memberToCount(before: error, of: waiter) {
                recount(member, thenServe: waiter.need.parts[0].participant)
                return nil
            }
            serveOthers(after: waiter)
            return .failure(error)
        }
    }

    /// Serves the requests for which sessions are free now: a request has shut gates, and the one that
    /// sessions were kept for cannot use them before these are open again.
    private func freeWhatIsKept(after waiter: SessionWaiter) {
        guard !waiter.contended.gates.isEmpty, let turn = queue.contendedTurn,
            turn.waiter !== waiter, !turn.waiter.contended.gates.allSatisfy(\.isOpen)
        else { return }
        serveOthers(after: turn.waiter)
    }

    /// Counts the slots of a member's server anew, then serves the requests that wait for a participant.
    private func recount(_ member: PostgresParticipant, thenServe participant: Int) {
        guard recounting.insert(participant).inserted else { return }
        count(member) {
            self.recounting.remove(participant)
            self.serve(participant, mayCount: false)
        }
    }

    /// Serves the requests for which what was kept for this one is free now: it is answered, or waits in
    /// another line.
    private func serveOthers(after waiter: SessionWaiter) {
        for part in waiter.need.parts { serveSoon(part.participant) }
        for gate in waiter.contended.gates { serveSoon(gate) }
    }

    /// Notes that a branch waits for a lock, and moves waiting requests that have become contended by that
    /// to lines of their own.
    private func noteContention(of waiter: SessionRequest, among rivals: [SessionRequest]) {
        let new = BranchPattern.found(of: waiter, among: rivals).filter(contention.note)
        guard !new.isEmpty else { return }
        for waiter in queue.waiters
        where waiter.requests.contains(where: { request in new.contains { $0.matches(request) } }) {
            // Also the gates that it leaves, which may have been kept for it.
            for gate in waiter.contended.gates { serveSoon(gate) }
            queue.move(waiter, to: contention.find(waiter.requests))
            serveOthers(after: waiter)
        }
    }

    /// Whether a branch like this one passes a gate.
    func hasGate(_ request: SessionRequest) -> Bool {
        !contention.find([request]).gates.isEmpty
    }

    // MARK: The end of a wait

    private func cancel(_ waiter: SessionWaiter) {
        queue.remove(waiter)
        waiter.answer(.failure(.cancelled))
        serveOthers(after: waiter)
    }

    /// Sees to it that requests are looked at again by this time.
    private func expire(at deadline: ContinuousClock.Instant) {
        if let timerDeadline, timerDeadline <= deadline { return }
        timer?.cancel()
        timerDeadline = deadline
        timer = loop.schedule(after: max(loop.now.duration(to: deadline), .zero)) { [weak self] in
            self?.passTimer()
        }
    }

    private func passTimer() {
        timerDeadline = nil
        let now = loop.now
        for waiter in queue.waiters.sorted(by: { $0.ticket < $1.ticket }) {
            guard let deadline = waiter.deadline, deadline <= now, waiter.line != nil else {
                continue
            }
            let reason = reasonForNone(waiter)
            queue.remove(waiter)
            waiter.answer(.failure(reason))
            serveOthers(after: waiter)
        }
        if let next = queue.waiters.compactMap(\.deadline).min() { expire(at: next) }
    }

    /// Why there were no sessions in time: names the first participant that had too few.
    private func reasonForNone(_ waiter: SessionWaiter) -> AdmissionFailure {
        let atGate = queue.mayPass(waiter.contended.gates, from: waiter.line) ? nil : gated(waiter)
        let full =
            waiter.contended.isContended
            ? supply.memberWithoutRoom(for: waiter, place: waiter.ticket) : nil
        let missing = waiter.need.parts.first { supply.isBusy($0, place: waiter.ticket) }
        // A request is served as soon as there are enough sessions everywhere, so one had too few.
        let member =
            atGate ?? full ?? members[(missing ?? waiter.need.parts[0]).participant]
        let name = member.options.name
        guard member.workers.connectedCount > 0 else {
            return .participantUnavailable(
                name: name, reason: "no connection within \(waiter.limit.wholeMilliseconds) ms")
        }
        return .participantBusy(
            name: name,
            sessions: SessionUsage(
                limit: member.options.poolSize, open: member.workers.connectedCount,
                contendedLimit: atGate == nil ? full?.contendedSessions.limit : 1,
                lastError: member.workers.lastFailure.map { "\($0.error)" }), waited: waiter.limit)
    }

    /// The participant of the first branch with a gate, one that is shut if there is any.
    private func gated(_ waiter: SessionWaiter) -> PostgresParticipant? {
        let branches = waiter.requests.indices.filter { !waiter.contended.gates(of: $0).isEmpty }
        let branch =
            branches.first { !waiter.contended.gates(of: $0).allSatisfy(\.isOpen) }
            ?? branches.first
        guard let branch else { return nil }
        return members.first { $0.options.name == waiter.requests[branch].participant }
    }
}
