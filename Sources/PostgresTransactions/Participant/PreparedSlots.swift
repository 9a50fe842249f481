import EventLoop

/// The slots for prepared transactions that this replica's branches hold in one participant.
@LoopActor
final class BranchSlots {
    /// Branches that have a session and have not voted yet: each may be prepared at any moment.
    private var atWorkCount = 0
    /// Their gids, as far as their work has begun.
    private var atWork: Set<String> = []
    /// gids that are prepared, or may be, until their branches have ended.
    private(set) var held: Set<String> = []

    var count: Int { held.count + atWorkCount }

    /// Everything here that `pg_prepared_xacts` may list.
    var gids: Set<String> { held.union(atWork) }

    /// A session was lent for a branch that will be prepared.
    func reserve() { atWorkCount += 1 }

    /// The branch is about to work under this gid.
    func begin(_ gid: String) { atWork.insert(gid) }

    /// The branch is prepared, or may be.
    func hold(_ gid: String) { held.insert(gid) }

    /// The session is given back; what `hold` was told stays held.
    func giveBack(_ gid: String?) {
        atWorkCount -= 1
        if let gid { atWork.remove(gid) }
    }

    /// The branch has ended.
    func free(_ gid: String) { held.remove(gid) }

    /// Branches that somebody else ended.
    func free(_ gids: Set<String>) { held.subtract(gids) }
}

/// The slots for prepared transactions of one server, which all of its databases share.
@LoopActor
final class ServerSlots {
    /// `max_prepared_transactions`, as the server said last.
    var limit: Int
    /// Prepared there by anybody else, as of the last count; nil as long as nobody has counted.
    ///
    /// These are branches of other replicas, those that an earlier life of this one left, and whatever
    /// other programs prepare, in whichever database.
    private(set) var others: Int?
    private var countedAt: ContinuousClock.Instant?
    /// Counts that have begun, and which of them `others` is of.
    private var countsBegun = 0
    private var countApplied = 0
    private var shares: [BranchSlots] = []
    /// The count under way, which all share who want one meanwhile.
    private var counting: Task<Void, Never>?

    init(limit: Int) { self.limit = limit }

    /// Slots that this replica's branches hold, in all participants that are on this server.
    var own: Int { shares.reduce(0) { $0 + $1.count } }

    func join(_ share: BranchSlots) { shares.append(share) }

    func leave(_ share: BranchSlots) { shares.removeAll { $0 === share } }

    func hasRoom(for count: Int) -> Bool { own + (others ?? 0) + count <= limit }

    /// Whether somebody else's share might be smaller by now than it was counted.
    ///
    /// A refusal is not repeated for longer than this on the strength of one count.
    func wantsCount(after age: Duration) -> Bool {
        countedAt.map { $0.duration(to: .now) >= age } ?? true
    }

    /// PREPARE found no slot: there are more of others than were counted.
    func foundFull() {
        others = max(others ?? 0, limit - own)
        countedAt = nil
        // What is being counted was asked for before.
        countApplied = countsBegun
    }

    /// Counts anew, by a question that answers with every gid on the server.
    ///
    /// Several sessions may ask at once. An answer that arrives after that of a later question is older, and
    /// counts no more.
    func count(_ ask: () async throws -> [String]) async rethrows {
        countsBegun += 1
        let number = countsBegun
        // A branch that begins or ends while the server answers is ours all the same.
        let before = shares.map(\.gids)
        let gids = try await ask()
        guard number > countApplied else { return }
        countApplied = number
        var known = Set<String>()
        for some in before + shares.map(\.gids) { known.formUnion(some) }
        others = gids.count { !known.contains($0) }
        countedAt = .now
    }

    /// Runs a count, or waits for the one under way.
    func countOnce(_ body: @escaping @LoopActor () async -> Void) async {
        if let counting { return await counting.value }
        let task = Task { @LoopActor in await body() }
        counting = task
        await task.value
        counting = nil
    }
}

/// The servers of the participants, by system identifier.
@LoopActor
final class ServerDirectory {
    private var servers: [String: ServerSlots] = [:]

    func slots(of systemIdentifier: String, limit: Int) -> ServerSlots {
        if let known = servers[systemIdentifier] {
            known.limit = limit
            return known
        }
        let new = ServerSlots(limit: limit)
        servers[systemIdentifier] = new
        return new
    }
}
