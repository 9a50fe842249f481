import EventLoop

/// The working sessions of one participant that contended transactions use, which have a share of the
/// pool and no more.
///
/// All but one of the transactions that need a locked row only wait for it. Without a bound they would
/// have every session, and the rest of the work would stand still behind one row.
@LoopActor
final class ContendedSessions {
    /// How many there may be.
    nonisolated let limit: Int
    /// Sessions that were lent to transactions which were contended by then.
    private(set) var count = 0

    init(limit: Int) { self.limit = limit }

    /// Whether so many more may be lent, with some kept for another transaction.
    ///
    /// A transaction that needs more than the limit has room when it is alone.
    func hasRoom(for more: Int, keeping kept: Int = 0) -> Bool {
        count + more + kept <= limit || count == 0 && more > limit
    }

    /// How many are kept for the transaction that has waited longest: all, or it could be overtaken for
    /// ever by those that need fewer.
    func kept(of need: Int) -> Int { min(need, limit) }

    func lend() { count += 1 }

    func giveBack() { count -= 1 }
}
