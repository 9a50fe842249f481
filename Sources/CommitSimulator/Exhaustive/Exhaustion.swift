internal import CommitProtocol

/// Searches every history with a limited number of faults and incarnations.
///
/// There is no time: any message may arrive next, and any timer may fire next. Histories that reach
/// the same state continue in the same way, so the search skips states it has seen, by 64-bit hash.
package struct Exhaustion {
    /// The result of a search.
    package struct Result: Sendable {
        /// The number of different states.
        package var states = 0
        /// The number of histories that came to rest.
        package var ends = 0
        /// The moves to the violation, if there is one.
        package var trail: [String] = []
        package var violation: Violation?
    }

    enum Move: Hashable {
        case process(Message, Fate)
        case fire(Incarnation.Armed, incarnation: Int)
        case apply(Disturbance)
        /// A recovery pass over the rows and the participants.
        case pass

        var prose: String {
            switch self {
            case .process(let message, let fate): "\(message.prose): \(fate)"
            case .fire(let armed, let incarnation):
                "timer \(armed.timer) of incarnation \(incarnation)"
            case .apply(let disturbance): "* \(disturbance)"
            case .pass: "* recovery pass"
            }
        }
    }

    private struct Node: Hashable {
        var state: Simulation
        var faults: Int
    }

    let incarnationsMax: Int
    private var seen: Set<Int> = []
    private var path: [Move] = []
    private var result = Result()

    private init(incarnationsMax: Int) { self.incarnationsMax = incarnationsMax }

    /// Searches all histories of branches with these commit modes.
    package static func search(
        commitModes: [String], overlapping: Bool, faults: Int, incarnationsMax: Int = 2,
        broken: BrokenWorld? = nil
    ) -> Result {
        var setting = Setting(commitModes: commitModes.compactMap(CommitMode.init))
        setting.timing = overlapping ? .overlapping : .first
        setting.broken = broken
        var search = Exhaustion(incarnationsMax: incarnationsMax)
        var start = Node(state: Simulation(setting), faults: faults)
        do throws(Violation) {
            try start.state.begin(Context())
            try search.follow(start)
        } catch {
            search.result.violation = error
            search.result.trail = search.path.map(\.prose)
        }
        search.result.states = search.seen.count
        return search.result
    }

    /// Searches depth first; `path` holds the moves to the node.
    private mutating func follow(_ node: Node) throws(Violation) {
        guard seen.insert(node.hashValue).inserted else { return }
        var isAtRest = true
        for (move, price) in moves(of: node.state) where price <= node.faults {
            var next = node
            next.faults -= price
            path.append(move)
            try take(move, &next.state)
            // Skip a move that changes nothing.
            if next != node {
                if price == 0 { isAtRest = false }
                try follow(next)
            }
            path.removeLast()
        }
        guard isAtRest else { return }
        if let incarnation = node.state.incarnations.first {
            throw Violation("AC5: incarnation \(incarnation.number) waits for nothing")
        }
        result.ends += 1
        try node.state.checkAtRest()
    }

    private func take(_ move: Move, _ state: inout Simulation) throws(Violation) {
        switch move {
        case .process(let message, let fate): try state.process(message, fate: fate, Context())
        case .fire(let armed, let incarnation): try state.fire(armed, of: incarnation, Context())
        case .apply(let disturbance): try state.apply(disturbance, Context())
        case .pass:
            if !state.incarnations.isEmpty { state.hasFailed = true }
            if try state.takeOver(Context()) { return }
            if state.world.row?.isReported == true { return }
            state.scan = state.listed()
            try state.actOnScan(Context())
        }
    }
}
