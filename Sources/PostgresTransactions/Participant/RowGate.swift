import EventLoop

/// Lets the branches of one transaction at a time work on a row that many transactions lock.
///
/// A branch is inside from the moment it gets its session until it has voted, or gives the session back.
/// So the row has at most two users at any time: a transaction that has voted and keeps its lock until its
/// end, and the next one, whose statement waits for that lock in PostgreSQL and gets it without a round
/// trip. All others wait in a queue, without a session.
///
/// A request passes all gates of its branches in the same moment. If one transaction waits for another
/// one's lock on a row with a gate, it has passed that gate later. So no cycle of such waits exists, in
/// whatever order the statements lock the rows; see PROTOCOL.md.
///
/// A gate decides when work begins, and nothing else. If one is forgotten, or two exist for a row, several
/// transactions wait for the row in PostgreSQL, as they would without gates.
@LoopActor
final class RowGate {
    /// Branches that have not voted yet: those of one transaction.
    private var insideCount = 0
    /// The lines of the requests that have to pass it; see `SessionQueue`.
    var lines: [SessionLine] = []

    var isOpen: Bool { insideCount == 0 }

    /// A branch has got its session.
    func enter() { insideCount += 1 }

    /// A branch has voted, or will never work.
    func leave() { insideCount -= 1 }
}

/// What is known of a request's branches, by the SQL and the values of earlier ones that waited for locks.
struct ContendedBranches {
    /// Whether a branch is contended by its SQL alone, which names no row; then the request shares a part
    /// of the sessions with others (`ContendedSessions`).
    var sharesSessions = false
    /// The gates of each branch; empty if no branch has one.
    private(set) var byBranch: [[RowGate]] = []
    /// The gates of all branches, each once.
    private(set) var gates: [RowGate] = []

    /// Whether any branch is contended.
    var isContended: Bool { sharesSessions || !gates.isEmpty }

    /// Adds a gate of one of so many branches.
    mutating func add(_ gate: RowGate, to branch: Int, of count: Int) {
        if byBranch.isEmpty { byBranch = Array(repeating: [], count: count) }
        if !byBranch[branch].contains(where: { $0 === gate }) { byBranch[branch].append(gate) }
        if !gates.contains(where: { $0 === gate }) { gates.append(gate) }
    }

    /// The gates of one branch.
    func gates(of branch: Int) -> [RowGate] { byBranch.isEmpty ? [] : byBranch[branch] }
}
