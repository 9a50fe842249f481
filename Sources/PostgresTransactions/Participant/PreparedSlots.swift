import EventLoop
import TransactionEngine

/// The slots for prepared transactions that this replica's branches hold in one participant.
@LoopActor
final class BranchSlots {
    /// Branches that have a session and have not voted yet: each may be prepared at any moment.
    private var atWorkCount = 0
    /// Reads the gids of these, as far as their work has begun; others among them do no harm.
    ///
    /// They are needed only now and then, so nothing keeps them by their names.
    private let atWork: @LoopActor () -> [String]
    /// gids that are prepared, or may be, until their branches are finished; and what they are of.
    private var prepared: [String: SessionRequest] = [:]

    init(atWork: @escaping @LoopActor () -> [String]) { self.atWork = atWork }

    var count: Int { prepared.count + atWorkCount }

    /// gids that are prepared, or may be.
    var held: Set<String> { Set(prepared.keys) }

    /// Everything here that `pg_prepared_xacts` may list.
    var gids: Set<String> { held.union(atWork()) }

    /// Whether a gid is of a branch that may hold a slot.
    func contains(_ gid: String) -> Bool { prepared[gid] != nil || atWork().contains(gid) }

    /// What the session was lent for in which a branch was prepared; nil if it was not prepared here.
    func request(of gid: String) -> SessionRequest? { prepared[gid] }

    /// A session was lent for a branch that will be prepared.
    func reserve() { atWorkCount += 1 }

    /// The branch is prepared, or may be.
    func hold(_ gid: String, for request: SessionRequest) { prepared[gid] = request }

    /// The session is given back; a gid that is held stays held.
    func giveBack() { atWorkCount -= 1 }

    /// The branch is finished.
    func free(_ gid: String) { prepared[gid] = nil }

    /// Branches that another replica or an operator has ended.
    func free(_ gids: Set<String>) { for gid in gids { prepared[gid] = nil } }
}

/// The slots for prepared transactions of one server, which all of its databases share.
@LoopActor
final class ServerSlots {
    /// `max_prepared_transactions`, as the server said last.
    var limit: Int
    /// The slots that all else held at the last count; nil as long as there was no count.
    ///
    /// These are branches of other replicas, those that an earlier incarnation of this one left, and what
    /// other programs prepare, in any database.
    private(set) var others: Int?
    private var countedAt: ContinuousClock.Instant?
    /// The number of the count that began last, and of the count that `others` comes from.
    private var countsBegun = 0
    private var countApplied = 0
    private var shares: [BranchSlots] = []
    /// The count under way, which all callers of `countOnce` share.
    private var counting: Task<Void, Never>?

    private let loop: EventLoop

    init(limit: Int, loop: EventLoop) {
        self.limit = limit
        self.loop = loop
    }

    /// Slots that this replica's branches hold, in all participants that are on this server.
    var own: Int { shares.reduce(0) { $0 + $1.count } }

    func join(_ share: BranchSlots) { shares.append(share) }

    func leave(_ share: BranchSlots) { shares.removeAll { $0 === share } }

    func hasRoom(for count: Int) -> Bool { own + (others ?? 0) + count <= limit }

    /// Whether the last count is older than this, so that others may hold fewer slots by now.
    func isCountOlder(than age: Duration) -> Bool {
        countedAt.map { $0.duration(to: loop.now) >= age } ?? true
    }

    /// PREPARE found no slot: others hold more than were counted.
    func noteExhausted() {
        others = max(others ?? 0, limit - own)
        countedAt = nil
        // The counts under way asked before that.
        countApplied = countsBegun
    }

    /// Counts anew, by a query for every gid on the server.
    ///
    /// Several sessions may ask at once. An answer that arrives after that of a later query is out of date,
    /// and is dropped.
    func count(_ ask: () async throws -> [String]) async rethrows {
        countsBegun += 1
        let number = countsBegun
        // A branch that begins or ends while the server answers is ours as well.
        let before = shares.map(\.gids)
        let gids = try await ask()
        guard number > countApplied else { return }
        countApplied = number
        var known = Set<String>()
        for some in before + shares.map(\.gids) { known.formUnion(some) }
        others = gids.count { !known.contains($0) }
        countedAt = loop.now
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
    private let loop: EventLoop
    private var servers: [String: ServerSlots] = [:]

    init(loop: EventLoop) { self.loop = loop }

    func slots(of systemIdentifier: String, limit: Int) -> ServerSlots {
        if let known = servers[systemIdentifier] {
            known.limit = limit
            return known
        }
        let new = ServerSlots(limit: limit, loop: loop)
        servers[systemIdentifier] = new
        return new
    }
}
