/// The work of a branch: rows to lock, one after the other, and how long the work with each takes.
struct BranchPlan: Sendable {
    let site: Int
    let statements: [(row: Int, duration: Int64)]
}

/// What a caller asks for.
struct LockRequest: Sendable {
    let plans: [BranchPlan]
    /// Whether the caller asks for branches one after the other.
    let isInOrder: Bool
    let replica: Int
    let began: Int64
    let deadline: Int64
    /// The client of a closed loop, which asks again once it is answered.
    var client: Int?
    /// The first run, whose number is the age.
    var age = 0
    /// The latest run.
    var run = 0
    var attempts = 0
    var answer: Answer?

    enum Answer: Hashable, Sendable {
        case committed
        case failed(at: Int64, AbortReason)
    }
}

/// Why a run is aborted.
enum AbortReason: Hashable, Sendable {
    /// It was chosen to end so that others can go on.
    case lost
    /// PostgreSQL's own detection chose it.
    case lostInServer
    case deadline

    var isTransient: Bool { self != .deadline }
}

/// A run of a request, or another program with a session of its own.
struct LockActor: Sendable {
    enum State: Hashable, Sendable {
        case active
        /// The write of the decision is under way.
        case deciding
        case committed
        case aborted
    }

    struct Branch: Sendable {
        enum Phase: Hashable, Sendable {
            case unsent, working, waiting, voted, over
        }

        let plan: BranchPlan
        var phase = Phase.unsent
        /// The statement that runs or waits.
        var next = 0
        /// When the work reached the server.
        var began: Int64 = 0
        var waitBegan: Int64 = 0
        /// Distinguishes the waits of all sessions.
        var wait = 0

        /// The rows that it holds or waits for.
        var rows: ArraySlice<(row: Int, duration: Int64)> {
            plan.statements.prefix(phase == .unsent || phase == .over ? 0 : next + 1)
        }
    }

    /// Nil for another program.
    let request: Int?
    let replica: Int
    /// The number of its request's first run; a smaller one is older.
    let age: Int
    /// Whether its branches work one after the other.
    let isInOrder: Bool
    var branches: [Branch]
    var state = State.active
    var voteCount = 0
}
