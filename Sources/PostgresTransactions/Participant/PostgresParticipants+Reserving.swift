import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// Who waits for sessions, and who gets them.
extension PostgresParticipants {
    /// Joins the queue, until there are sessions for all or the time is up.
    func wait(
        _ requests: [SessionRequest], _ ticket: Int, _ limit: Duration
    ) async -> Result<[any BranchSession], AdmissionFailure> {
        await withCheckedContinuation { reply in
            // Others may have had their turn since the caller looked; see `ConnectionPool.acquire`.
            if Task.isCancelled { return reply.resume(returning: .failure(.cancelled)) }
            if isClosed { return reply.resume(returning: .failure(.draining)) }
            do throws(AdmissionFailure) {
                if let sessions = try take(requests) {
                    return reply.resume(returning: .success(sessions))
                }
            } catch {
                return reply.resume(returning: .failure(error))
            }
            let timer = EventLoop.shared.schedule(after: limit) { [weak self] in
                self?.expire(ticket, after: limit)
            }
            waiting.append(
                SessionWaiter(ticket: ticket, requests: requests, reply: reply, timer: timer))
        }
    }

    func stopWaiting(_ ticket: Int) {
        guard let waiter = waiting.remove(ticket: ticket) else { return }
        waiter.settle(.failure(.cancelled))
        serveBehind(waiter)
    }

    /// The same as `take`, but nobody is refused for what others had prepared some time ago.
    func takeOrCount(
        _ requests: [SessionRequest]
    ) async throws(AdmissionFailure) -> [any BranchSession]? {
        // Each count may clear one participant.
        for _ in requests {
            do throws(AdmissionFailure) {
                return try take(requests)
            } catch {
                guard case .slotsExhausted(let name, _) = error, let member = members[name],
                    await member.recountForRefusal(for: requests.count)
                else { throw error }
            }
        }
        return try take(requests)
    }

    /// Sessions for all, nil if some have to be waited for, or why there will be none.
    private func take(
        _ requests: [SessionRequest], ticket: Int? = nil
    ) throws(AdmissionFailure) -> [any BranchSession]? {
        var isReady = true
        for (index, request) in requests.enumerated() {
            let name = request.participant
            // Each participant once, at its first request.
            guard !requests[..<index].contains(where: { $0.participant == name }),
                let member = members[name]
            else { continue }
            let count = requests.count { $0.participant == name }
            let isBusy = isBusy(member, for: count, ticket)
            // Of a server that cannot be reached nothing else is known now.
            if isBusy, member.workers.isFailing {
                throw .participantUnavailable(name: name, reason: member.lastFailure)
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
                participant: member, connection: connection, commitMode: request.commitMode)
        }
    }

    /// Whether fewer sessions than so many are idle, not counting those kept for others.
    private func isBusy(_ member: PostgresParticipant, for count: Int, _ ticket: Int?) -> Bool {
        let kept = waiting.kept(
            of: member.options.name, poolSize: member.options.poolSize, from: ticket)
        return member.workers.idleCount < count + kept
    }

    /// Why the branches of these that will be prepared there find no slots; nil if they do.
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

    /// Serves those who wait for this participant, in order; whoever cannot be served yet is passed
    /// over.
    func serve(_ name: String) {
        var refused: [SessionWaiter] = []
        waiting.serve(name) { waiter in
            do throws(AdmissionFailure) {
                return try take(waiter.requests, ticket: waiter.ticket).map { .success($0) }
            } catch {
                refused.append(waiter)
                return .failure(error)
            }
        }
        for waiter in refused { serveBehind(waiter) }
    }

    /// What was kept for one who has left is there for others.
    private func serveBehind(_ waiter: SessionWaiter) {
        for name in Set(waiter.requests.map(\.participant)) { serve(name) }
    }

    private func expire(_ ticket: Int, after limit: Duration) {
        guard let waiter = waiting.remove(ticket: ticket) else { return }
        waiter.settle(.failure(reasonForNone(waiter, after: limit)))
        serveBehind(waiter)
    }

    /// Why there were no sessions in time: the first participant that had too few is named.
    private func reasonForNone(
        _ waiter: SessionWaiter, after limit: Duration
    ) -> AdmissionFailure {
        let wanted = waiter.requests.compactMap { members[$0.participant] }
        let missing = wanted.first { member in
            let count = wanted.count { $0 === member }
            return isBusy(member, for: count, waiter.ticket)
        }
        // Whoever waits is served as soon as there are enough of all, so that one has too few.
        guard let member = missing ?? wanted.first else { return .draining }
        let name = member.options.name
        guard member.workers.connectedCount > 0 else {
            return .participantUnavailable(
                name: name, reason: "no connection within \(limit.wholeMilliseconds) ms")
        }
        return .participantBusy(
            name: name,
            sessions: SessionUsage(
                limit: member.options.poolSize, open: member.workers.connectedCount,
                lastError: member.workers.lastFailure.map { "\($0.error)" }), waited: limit)
    }
}
