internal import CommitProtocol

/// Every history with at most so many faults, up to a number of branches and lives.
///
/// Time is left out: whatever is on its way may arrive next, and a timer may fire before or after
/// anything. Two histories that lead to one state are one from there on, so the search keeps the
/// states it has seen, as their 64-bit hashes.
package struct Exhaustion {
    /// What was searched.
    package struct Result: Sendable {
        /// How many different states there are.
        package var states = 0
        /// How many of them are at rest.
        package var ends = 0
        /// How a rule is broken, move by move, if one is.
        package var trail: [String] = []
        package var violation: Violation?
    }

    enum Move: Hashable {
        case land(Flight, Fate)
        case fire(Incarnation.Armed, incarnation: Int)
        case suffer(Disturbance)
        /// Nobody drives it: a pass over the rows and the participants.
        case pass

        var prose: String {
            switch self {
            case .land(let flight, let fate): "\(flight.prose): \(fate)"
            case .fire(let armed, let incarnation): "timer \(armed.timer) of life \(incarnation)"
            case .suffer(let disturbance): "* \(disturbance)"
            case .pass: "* a pass"
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

    /// Searches all histories of these branches.
    package static func search(
        commitModes: [String], overlapping: Bool, faults: Int, incarnationsMax: Int = 2,
        broken: BrokenWorld? = nil
    ) -> Result {
        var setting = Setting(commitModes: commitModes.compactMap(CommitMode.init))
        setting.order = overlapping ? .overlapping : .first
        setting.broken = broken
        var search = Exhaustion(incarnationsMax: incarnationsMax)
        var start = Node(state: Simulation(setting), faults: faults)
        do throws(Violation) {
            try start.state.begin(Outside())
            try search.follow(start)
        } catch {
            search.result.violation = error
            search.result.trail = search.path.map(\.prose)
        }
        search.result.states = search.seen.count
        return search.result
    }

    /// Depth first; the path leads to the state, and to the violation if there is one.
    private mutating func follow(_ node: Node) throws(Violation) {
        guard seen.insert(node.hashValue).inserted else { return }
        var isAtRest = true
        for (move, price) in moves(of: node.state) where price <= node.faults {
            var next = node
            next.faults -= price
            path.append(move)
            try take(move, &next.state)
            // A free move that changes nothing leads nowhere.
            if next != node {
                if price == 0 { isAtRest = false }
                try follow(next)
            }
            path.removeLast()
        }
        guard isAtRest else { return }
        if let incarnation = node.state.incarnations.first {
            throw Violation("AC5: life \(incarnation.number) waits for nothing")
        }
        result.ends += 1
        try node.state.checkAtRest()
    }

    private func take(_ move: Move, _ state: inout Simulation) throws(Violation) {
        switch move {
        case .land(let flight, let fate): try state.land(flight, fate, Outside())
        case .fire(let armed, let incarnation): try state.fire(armed, of: incarnation, Outside())
        case .suffer(let disturbance): try state.suffer(disturbance, Outside())
        case .pass:
            if !state.incarnations.isEmpty { state.hasFailed = true }
            if try state.takeOver(Outside()) { return }
            if state.world.row?.isReported == true { return }
            state.scan = state.listed()
            try state.actOnScan(Outside())
        }
    }
}
