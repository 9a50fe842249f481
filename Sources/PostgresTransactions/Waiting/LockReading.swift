import CommitProtocol
import EventLoop
import TransactionEngine

/// A session with a branch in it, as waits for locks are judged.
@LoopActor
protocol WatchedSession: AnyObject, Sendable {
    /// The server process; nil before the branch begins.
    var process: ServerProcess? { get }
    /// When it started, as in `SessionIdentity`.
    var startedAt: String? { get }
    /// The branch's gid; nil before it begins.
    var gid: String? { get }
    /// The age of its transaction; nil before it begins.
    var age: GlobalTransactionID? { get }
    /// Whether it has not voted yet.
    var isWorking: Bool { get }
    /// Whether its work was cancelled already, for whatever reason.
    var isStopped: Bool { get }

    /// Takes notice of the lock that the work waits for, if it does.
    func note(_ reading: LockReading)
    /// Cancels the work; the vote is no for this reason, unless it is cast before that.
    ///
    /// - Parameter query: the statement that waits.
    func stop(_ kind: BranchFailure.Kind, running query: String)
    /// The index of the branch's statement with this text; nil if none or several have it.
    func statement(running query: String) -> Int?
}

/// A server as long as it runs.
///
/// The start distinguishes servers whose data directories were copied from one: these have the same system
/// identifier, and may give the same number to a process.
struct RunningServer: Hashable, Sendable, CustomStringConvertible {
    let systemIdentifier: String
    /// When its postmaster started, in microseconds since 1970.
    let startedAt: String

    var description: String { "\(systemIdentifier) \(startedAt)" }
}

/// A server process on one of several servers.
struct ServerProcess: Hashable, Sendable {
    let server: RunningServer
    /// Its number there.
    let id: Int32
}

/// What one question about the waits in a participant's server has found.
struct LockReading: Sendable {
    let participant: String
    /// The server; nil if it was not asked, since no branch was late.
    let server: RunningServer?
    /// Names the server in the graph of waits.
    var serverName: String { server.map { "\($0)" } ?? "" }
    let processes: [Int32: LockProcess]
    /// This replica's sessions on the server, of all participants, by server process: those that had the
    /// same branch when the server was asked and when it had answered.
    let sessions: [Int32: any WatchedSession]

    /// What blocks a waiter and is not in the same queue for a row.
    private struct Holders {
        let sessions: Set<Int32>
        let gids: Set<String>

        func overlaps(_ other: Holders) -> Bool {
            !sessions.isDisjoint(with: other.sessions) || !gids.isDisjoint(with: other.gids)
        }
    }

    /// By waiter, as far as the server names them to it.
    private let holders: [Int32: Holders]

    /// Makes the reading of a server's answer.
    ///
    /// A session that was lent to another branch meanwhile is left out: whatever the server found of it
    /// may be true of either.
    @LoopActor
    init(
        participant: String, _ listing: LockListing,
        before: [ServerProcess: any WatchedSession], after: [ServerProcess: any WatchedSession]
    ) {
        self.participant = participant
        server = listing.server
        processes = listing.processes
        var sessions: [Int32: any WatchedSession] = [:]
        for (process, session) in before
        where process.server == listing.server && after[process] === session {
            // By now the process may be another one with the same number.
            let startedAt = listing.processes[process.id]?.startedAt
            guard startedAt == nil || startedAt == session.startedAt else { continue }
            sessions[process.id] = session
        }
        self.sessions = sessions
        let listed = listing.processes
        holders = listed.compactMapValues { process in
            guard let wait = process.wait else { return nil }
            let others = wait.blockers.filter { listed[$0]?.wait?.isInQueue(of: wait) != true }
            return Holders(sessions: Set(others), gids: Set(wait.gids))
        }
    }

    /// The sessions that a waiter competes with: those before it in the queue for the lock, and those that
    /// wait for the same holder.
    func rivals(of waiter: LockProcess) -> Set<Int32> {
        guard let wait = waiter.wait, let own = holders[waiter.id] else { return [] }
        let besides = holders.filter { $0.key != waiter.id && $0.value.overlaps(own) }
        return Set(wait.blockers).union(besides.keys)
    }

    /// What a wait waits for: what the server names, and who holds the row.
    ///
    /// To each waiter in a queue for a row the server names those before it in the queue, and to the first
    /// alone the transaction that holds the row. But all of them wait for that one: if the first ends, the
    /// next one takes its place. Without this, the youngest in a queue would end for a deadlock between
    /// the holder and the last, and free nobody.
    func blockers(of wait: LockWait) -> (sessions: [Int32], gids: [String]) {
        var sessions = Set(wait.blockers)
        var gids = Set(wait.gids)
        for blocker in wait.blockers where processes[blocker]?.wait?.isInQueue(of: wait) == true {
            guard let holders = holders[blocker] else { continue }
            sessions.formUnion(holders.sessions)
            gids.formUnion(holders.gids)
        }
        return (sessions.sorted(), gids.sorted())
    }
}

extension LockWait {
    /// Whether both wait for the same row.
    fileprivate func isInQueue(of other: LockWait) -> Bool {
        rowKey != nil && rowKey == other.rowKey
    }
}
