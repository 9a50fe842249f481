import EventLoop
import PostgresClient
import TransactionEngine

/// The sessions and slots of all participants, as a request finds them.
///
/// What is kept for requests that have waited longer is not there for others.
@LoopActor
struct SessionSupply {
    let members: [PostgresParticipant]
    let names: [String]
    let queue: SessionQueue

    init(_ members: [PostgresParticipant], _ queue: SessionQueue) {
        self.members = members
        self.queue = queue
        names = members.map(\.options.name)
    }

    /// Sessions for all branches, nil if some have to be waited for, or why there will be none.
    ///
    /// The gates are open. A request that waits is contended from the first sighting on, until it is served.
    ///
    /// - Parameter place: that of its line, if it waits.
    func take(
        for waiter: SessionWaiter, place: Int = .max
    ) throws(AdmissionFailure) -> [any BranchSession]? {
        if waiter.contended.isContended, memberWithoutRoom(for: waiter, place: place) != nil {
            return nil
        }
        var isReady = true
        for part in waiter.need.parts {
            let member = members[part.participant]
            let isBusy = isBusy(part, place: place)
            // Of a server that cannot be reached nothing else is known now.
            if isBusy, member.workers.isFailing {
                throw .participantUnavailable(
                    name: member.options.name, reason: member.lastFailure)
            }
            if let refusal = slotRefusal(of: part, for: waiter.need) { throw refusal }
            guard isBusy else { continue }
            member.workers.demand(part.sessions)
            isReady = false
        }
        return isReady ? lend(to: waiter) : nil
    }

    private func lend(to waiter: SessionWaiter) -> [any BranchSession] {
        waiter.requests.indices.map { branch in
            let request = waiter.requests[branch]
            guard let place = names.firstIndex(of: request.participant),
                let connection = members[place].workers.takeIdle()
            else { preconditionFailure("idle sessions were counted a moment ago") }
            return WorkingSession(
                participant: members[place], connection: connection, for: request,
                gates: waiter.contended.gates(of: branch),
                sharesSessions: waiter.contended.sharesSessions)
        }
    }

    /// Whether fewer sessions than it needs are idle, not counting those kept for another request.
    func isBusy(_ part: SessionNeed.Part, place: Int) -> Bool {
        members[part.participant].workers.idleCount
            < part.sessions + kept(of: part.participant, from: place)
    }

    /// How many sessions of a participant are kept for the request that has waited longest, from a later
    /// one: from a line with this place, or from a request that has none yet.
    ///
    /// Without this, a request over several busy participants could be overtaken for ever, since their
    /// sessions hardly become idle in the same moment. Sessions are kept for one request at a time, and at
    /// most half of a pool: so a participant that is slow or silent costs requests that do not need it no
    /// more than that.
    private func kept(of participant: Int, from place: Int) -> Int {
        guard queue.count > 0 else { return 0 }
        var favorite = queue.ordinaryTurn
        if let contended = queue.contendedTurn, contended.place < favorite?.place ?? .max,
            canUseSessions(contended.waiter)
        {
            favorite = contended
        }
        guard let favorite, favorite.place < place else { return 0 }
        let count = favorite.waiter.need.sessions(of: participant)
        return count <= members[participant].options.poolSize / 2 ? count : 0
    }

    /// Whether the contended request that has waited longest has room now, and keeps it, and its gates are
    /// open: otherwise sessions that are kept for it would be of no use to anybody.
    private func canUseSessions(_ waiter: SessionWaiter) -> Bool {
        waiter.contended.gates.allSatisfy(\.isOpen)
            && waiter.need.parts.allSatisfy { part in
                let contended = members[part.participant].contendedSessions
                return contended.hasRoom(for: part.sessions)
                    && contended.kept(of: part.sessions) == part.sessions
            }
    }

    /// The first participant in which contended transactions have no room for these branches; nil if
    /// there is none.
    ///
    /// As with sessions, room is kept for the contended request that has waited longest.
    func memberWithoutRoom(
        for waiter: SessionWaiter, place: Int
    ) -> PostgresParticipant? {
        let favorite = queue.contendedTurn.flatMap { $0.place < place ? $0.waiter : nil }
        for part in waiter.need.parts {
            let contended = members[part.participant].contendedSessions
            let kept = contended.kept(of: favorite?.need.sessions(of: part.participant) ?? 0)
            guard contended.hasRoom(for: part.sessions, keeping: kept) else {
                return members[part.participant]
            }
        }
        return nil
    }

    /// Why the branches that will be prepared there find no slots; nil if they do.
    private func slotRefusal(
        of part: SessionNeed.Part, for need: SessionNeed
    ) -> AdmissionFailure? {
        let member = members[part.participant]
        var onServer = part.slots
        for other in need.parts where other.participant != part.participant {
            // Several participants may be databases of one server.
            guard let server = member.server, members[other.participant].server === server
            else { continue }
            onServer += other.slots
        }
        return member.slotRefusal(for: part.slots, onServer: onServer)
    }
}
