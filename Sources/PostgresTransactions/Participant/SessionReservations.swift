import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// Reserves sessions for requests, all or none, and keeps the queue of the requests that wait.
@LoopActor
final class SessionReservations {
    private let members: [String: PostgresParticipant]
    private let contention: Contention
    let loop: EventLoop
    private let queue = SessionQueue()
    private let queueMax: Int
    /// How many contended requests may wait: they stay long, and must leave others a place to wait in.
    private var contendedQueueMax: Int { max(1, queueMax / 2) }
    /// Participants whose waiting requests are served once slots are counted again.
    private var recounting: Set<String> = []
    private(set) var lastTicket = 0
    private var isClosed = false

    /// How many requests wait.
    var waitingCount: Int { queue.count }

    init(
        _ members: [String: PostgresParticipant], contention: Contention, queueMax: Int,
        loop: EventLoop
    ) {
        self.members = members
        self.contention = contention
        self.queueMax = queueMax
        self.loop = loop
        for (name, member) in members {
            member.workers.onIdle = { [weak self] in self?.serve(name) }
            member.workers.onFailure = { [weak self] in self?.serve(name) }
            member.onRoomForContended = { [weak self] in self?.serve(name) }
            member.onContention = { [weak self] in self?.noteContention(of: $0, among: $1) }
        }
    }

    /// Refuses the requests that wait, and all that come.
    func close() {
        isClosed = true
        for waiter in queue.removeAll() { waiter.settle(.failure(.draining)) }
    }

    /// Takes a session for every branch, all or none.
    ///
    /// A request that waits holds no session, so a participant that is slow or dead delays only requests
    /// that need it. The request that has waited longest has sessions kept for it (see `kept`).
    func reserve(
        _ requests: [SessionRequest], runsAgain: Bool, within limit: Duration
    ) async throws(AdmissionFailure) -> [any BranchSession] {
        if isClosed { throw .draining }
        if let sessions = try await takeOrCount(requests) { return sessions }
        if let refusal = queueRefusal(of: requests, runsAgain: runsAgain) { throw refusal }
        lastTicket += 1
        let ticket = lastTicket
        let result = await withTaskCancellationHandler {
            await wait(requests, ticket: ticket, runsAgain: runsAgain, within: limit)
        } onCancel: {
            loop.execute { self.stopWaiting(ticket) }
        }
        return try result.get()
    }

    /// Why a request finds no place in the queue; nil if it does.
    private func queueRefusal(
        of requests: [SessionRequest], runsAgain: Bool
    ) -> AdmissionFailure? {
        // A request that runs again has been admitted.
        if runsAgain { return nil }
        guard queue.count < queueMax else { return .overloaded(.waiting(limit: queueMax)) }
        guard queue.contendedCount >= contendedQueueMax,
            contention.containsAny(of: requests)
        else { return nil }
        return .overloaded(.waitingContended(limit: contendedQueueMax))
    }

    /// Takes sessions, or counts the slots of a server again before it refuses for lack of them.
    private func takeOrCount(
        _ requests: [SessionRequest]
    ) async throws(AdmissionFailure) -> [any BranchSession]? {
        // Each count may clear one participant.
        for _ in requests {
            do throws(AdmissionFailure) {
                return try take(requests)
            } catch {
                guard let member = memberToCount(before: error, of: requests) else { throw error }
                await member.recount()
            }
        }
        return try take(requests)
    }

    /// The participant whose slots are to be counted again before a request is refused; nil if the count
    /// is recent.
    private func memberToCount(
        before refusal: AdmissionFailure, of requests: [SessionRequest]
    ) -> PostgresParticipant? {
        guard case .slotsExhausted(let name, _) = refusal, let member = members[name],
            member.needsCountBeforeRefusal(of: requests.count)
        else { return nil }
        return member
    }

    /// Joins the queue, until there are sessions for all branches or the time is up.
    private func wait(
        _ requests: [SessionRequest], ticket: Int, runsAgain: Bool, within limit: Duration
    ) async -> Result<[any BranchSession], AdmissionFailure> {
        await withCheckedContinuation { reply in
            // Other tasks may have run since the caller checked; see `ConnectionPool.acquire`.
            if Task.isCancelled { return reply.resume(returning: .failure(.cancelled)) }
            if isClosed { return reply.resume(returning: .failure(.draining)) }
            do throws(AdmissionFailure) {
                if let sessions = try take(requests) {
                    return reply.resume(returning: .success(sessions))
                }
            } catch {
                return reply.resume(returning: .failure(error))
            }
            let timer = loop.schedule(after: limit) { [weak self] in
                self?.expire(ticket, after: limit)
            }
            queue.append(
                SessionWaiter(
                    ticket: ticket, requests: requests, runsAgain: runsAgain,
                    isContended: contention.containsAny(of: requests), reply: reply,
                    timer: timer))
        }
    }

    // MARK: Sessions

    /// Sessions for all branches, nil if some have to be waited for, or why there will be none.
    private func take(
        _ requests: [SessionRequest], in turn: SessionQueue.Turn? = nil
    ) throws(AdmissionFailure) -> [any BranchSession]? {
        // A request that waits is contended from the first sighting on, until it is served.
        let isContended = turn?.waiter.isContended ?? contention.containsAny(of: requests)
        if isContended, memberWithoutRoom(for: requests, place: turn?.place) != nil {
            return nil
        }
        var isReady = true
        for (member, count) in members(of: requests) {
            let isBusy = isBusy(member, for: count, place: turn?.place)
            // Of a server that cannot be reached nothing else is known now.
            if isBusy, member.workers.isFailing {
                throw .participantUnavailable(
                    name: member.options.name, reason: member.lastFailure)
            }
            if let refusal = slotRefusal(of: member, for: requests) { throw refusal }
            guard isBusy else { continue }
            member.workers.demand(count)
            isReady = false
        }
        guard isReady else { return nil }
        return requests.map { request in
            guard let member = members[request.participant],
                let connection = member.workers.takeIdle()
            else { preconditionFailure("idle sessions were counted a moment ago") }
            return WorkingSession(
                participant: member, connection: connection, for: request, isContended: isContended)
        }
    }

    /// Each participant once, with the number of its branches.
    private func members(of requests: [SessionRequest]) -> [(PostgresParticipant, Int)] {
        requests.enumerated().compactMap { index, request in
            let name = request.participant
            guard !requests[..<index].contains(where: { $0.participant == name }),
                let member = members[name]
            else { return nil }
            return (member, requests.count { $0.participant == name })
        }
    }

    /// Whether fewer sessions than so many are idle, not counting those kept for another request.
    private func isBusy(_ member: PostgresParticipant, for count: Int, place: Int?) -> Bool {
        member.workers.idleCount < count + kept(of: member, from: place)
    }

    /// How many sessions of a participant are kept for the request that has waited longest, from a later
    /// one: from a line with this place, or from a request that has none yet.
    ///
    /// Without this, a request over several busy participants could be overtaken for ever, since their
    /// sessions hardly become idle in the same moment. Sessions are kept for one request at a time, and at
    /// most half of a pool: so a participant that is slow or silent costs requests that do not need it no
    /// more than that.
    private func kept(of member: PostgresParticipant, from place: Int?) -> Int {
        guard queue.count > 0 else { return 0 }
        var favorite = queue.ordinaryTurn
        if let contended = queue.contendedTurn, contended.place < favorite?.place ?? .max,
            canUseSessions(contended.waiter)
        {
            favorite = contended
        }
        guard let favorite, favorite.place < place ?? .max else { return 0 }
        let count = favorite.waiter.count(in: member)
        return count <= member.options.poolSize / 2 ? count : 0
    }

    /// Whether the contended request that has waited longest has room now, and keeps it: otherwise
    /// sessions that are kept for it would be of no use to anybody.
    private func canUseSessions(_ waiter: SessionWaiter) -> Bool {
        members(of: waiter.requests).allSatisfy { member, count in
            member.contendedSessions.hasRoom(for: count)
                && member.contendedSessions.kept(of: count) == count
        }
    }

    /// The first participant in which contended transactions have no room for these branches; nil if
    /// there is none.
    ///
    /// As with sessions, room is kept for the contended request that has waited longest.
    private func memberWithoutRoom(
        for requests: [SessionRequest], place: Int?
    ) -> PostgresParticipant? {
        let favorite = queue.contendedTurn.flatMap { $0.place < place ?? .max ? $0.waiter : nil }
        return members(of: requests).first { member, count in
            let contended = member.contendedSessions
            let kept = contended.kept(of: favorite?.count(in: member) ?? 0)
            return !contended.hasRoom(for: count, keeping: kept)
        }?.0
    }

    /// Why the branches that will be prepared there find no slots; nil if they do.
    private func slotRefusal(
        of member: PostgresParticipant, for requests: [SessionRequest]
    ) -> AdmissionFailure? {
        let name = member.options.name
        var (here, onServer) = (0, 0)
        for request in requests where request.commitMode == .twoPhase {
            if request.participant == name { here += 1 }
            // Several participants may be databases of one server.
            guard let server = member.server, members[request.participant]?.server === server
            else { continue }
            onServer += 1
        }
        return member.slotRefusal(for: here, onServer: onServer)
    }

    // MARK: The queue

    /// Serves the requests that wait for a participant, in order, passing over those that must wait on.
    ///
    /// - Parameter mayCount: whether slots may be counted before a request is refused; it then waits on,
    ///   and is served again after the count.
    private func serve(_ name: String, mayCount: Bool = true) {
        var refused: [SessionWaiter] = []
        queue.serve(name) { turn in
            let waiter = turn.waiter
            do throws(AdmissionFailure) {
                return try take(waiter.requests, in: turn).map { .success($0) }
            } catch {
                if mayCount, let member = memberToCount(before: error, of: waiter.requests) {
                    recount(member, thenServe: name)
                    return nil
                }
                refused.append(waiter)
                return .failure(error)
            }
        }
        // Requests that come up now are refused by the same count as these.
        for waiter in refused { serveOthers(after: waiter, mayCount: mayCount) }
    }

    /// Counts the slots of a member's server anew, then serves the requests that wait for a participant.
    private func recount(_ member: PostgresParticipant, thenServe name: String) {
        guard recounting.insert(name).inserted else { return }
        Task(executorPreference: loop) {
            await member.recount()
            await self.recounted(name)
        }
    }

    private func recounted(_ name: String) {
        recounting.remove(name)
        serve(name, mayCount: false)
    }

    /// Serves the requests for which the sessions kept for this one are free now.
    private func serveOthers(after waiter: SessionWaiter, mayCount: Bool = true) {
        for name in waiter.need.participants { serve(name, mayCount: mayCount) }
    }

    /// Moves waiting requests that have become contended to lines of their own, and serves those for
    /// which the sessions kept for them are free now.
    private func noteContention(of waiter: SessionRequest, among rivals: [SessionRequest]) {
        guard let pattern = BranchPattern(of: waiter, among: rivals),
            contention.note(pattern)
        else { return }
        for needed in queue.noteContention(of: pattern) { serve(needed) }
    }

    private func stopWaiting(_ ticket: Int) {
        guard let waiter = queue.remove(ticket: ticket) else { return }
        waiter.settle(.failure(.cancelled))
        serveOthers(after: waiter)
    }

    private func expire(_ ticket: Int, after limit: Duration) {
        guard let waiter = queue.remove(ticket: ticket) else { return }
        waiter.settle(.failure(reasonForNone(waiter, after: limit)))
        serveOthers(after: waiter)
    }

    /// Why there were no sessions in time: names the first participant that had too few.
    private func reasonForNone(
        _ waiter: SessionWaiter, after limit: Duration
    ) -> AdmissionFailure {
        let full =
            waiter.isContended
            ? memberWithoutRoom(for: waiter.requests, place: waiter.ticket) : nil
        let missing = members(of: waiter.requests).first { member, count in
            isBusy(member, for: count, place: waiter.ticket)
        }
        // A request is served as soon as there are enough sessions everywhere, so one had too few.
        guard let member = full ?? missing?.0 ?? members[waiter.requests[0].participant] else {
            return .draining
        }
        let name = member.options.name
        guard member.workers.connectedCount > 0 else {
            return .participantUnavailable(
                name: name, reason: "no connection within \(limit.wholeMilliseconds) ms")
        }
        return .participantBusy(
            name: name,
            sessions: SessionUsage(
                limit: member.options.poolSize, open: member.workers.connectedCount,
                contendedLimit: full?.contendedSessions.limit,
                lastError: member.workers.lastFailure.map { "\($0.error)" }), waited: limit)
    }
}

extension SessionWaiter {
    fileprivate func count(in member: PostgresParticipant) -> Int {
        requests.count { $0.participant == member.options.name }
    }
}
