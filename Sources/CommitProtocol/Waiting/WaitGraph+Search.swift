extension WaitGraph {
    /// The search for victims, over numbers instead of parties: a smaller one is older.
    ///
    /// It takes a time of about edges times the logarithm of parties for each victim, and edges alone
    /// where there is no cycle: it takes the parties that are on a cycle, and halves them until it has
    /// the oldest ones that still have one.
    struct Search {
        /// Whom each party waits for, by number.
        private let blockers: [[Int]]
        /// The number of the oldest transaction; strangers have the smaller ones.
        private let oldest: Int
        /// How many edges have been followed.
        private(set) var steps = 0

        init(_ blockers: [[Int]], transactionsFrom oldest: Int) {
            self.blockers = blockers
            self.oldest = oldest
            isIncluded = [Bool](repeating: false, count: blockers.count)
        }

        /// Each victim with its cycle: a shortest one of older parties, from the victim on.
        mutating func victims() -> [(victim: Int, cycle: [Int])] {
            var victims: [(victim: Int, cycle: [Int])] = []
            var open = components(of: Array(blockers.indices))
            while let component = open.popLast() {
                let end = endOfShortestCyclicPrefix(component)
                let victim = component[end]
                victims.append((victim, cycle(through: victim, within: component[...end])))
                open += components(of: component.filter { $0 != victim })
            }
            return victims.sorted { $0.victim < $1.victim }
        }

        /// The index of the first party that closes a cycle with the ones before it, which has a
        /// transaction.
        private mutating func endOfShortestCyclicPrefix(_ component: [Int]) -> Int {
            var (first, last) = (0, component.count - 1)
            while first < last {
                let middle = (first + last) / 2
                if components(of: Array(component[...middle])).isEmpty {
                    first = middle + 1
                } else {
                    last = middle
                }
            }
            return first
        }

        /// A shortest cycle through a party, by breadth-first search.
        private mutating func cycle(through start: Int, within parties: ArraySlice<Int>) -> [Int] {
            include(parties, true)
            defer { include(parties, false) }
            var waiter: [Int: Int] = [:]
            var queue = [start]
            var next = 0
            while next < queue.count, waiter[start] == nil {
                for blocker in blockers[queue[next]]
                where isIncluded[blocker] && waiter[blocker] == nil {
                    steps += 1
                    waiter[blocker] = queue[next]
                    queue.append(blocker)
                }
                next += 1
            }
            var path: [Int] = []
            var party = start
            while let previous = waiter[party] {
                path.append(previous)
                party = previous
                if party == start { break }
            }
            return path.reversed()
        }

        private mutating func include(_ parties: some Sequence<Int>, _ isIncluded: Bool) {
            for party in parties { self.isIncluded[party] = isIncluded }
        }

        // MARK: Components

        /// What is searched now; all false between searches.
        private var isIncluded: [Bool]
        /// Tarjan's numbers; an index of 0 has not been visited.
        private var index: [Int] = []
        private var low: [Int] = []
        private var visitedCount = 0
        /// Visited parties whose component is not complete.
        private var stack: [Int] = []
        private var isOnStack: [Bool] = []
        /// From the root to the party that is visited now, each with its next wait.
        private var path: [(party: Int, next: Int)] = []

        /// The strongly connected components, by Tarjan's algorithm without recursion, that have two
        /// parties or more and a transaction among them; each ascending.
        private mutating func components(of parties: [Int]) -> [[Int]] {
            include(parties, true)
            defer { include(parties, false) }
            index = [Int](repeating: 0, count: blockers.count)
            (low, visitedCount) = (index, 0)
            isOnStack = [Bool](repeating: false, count: blockers.count)
            var found: [[Int]] = []
            for root in parties where index[root] == 0 {
                visit(root)
                while let (party, next) = path.last {
                    if next < blockers[party].count {
                        path[path.count - 1].next += 1
                        follow(from: party, to: blockers[party][next])
                    } else {
                        path.removeLast()
                        if let component = completedComponent(party) { found.append(component) }
                        if let waiter = path.last?.party {
                            low[waiter] = min(low[waiter], low[party])
                        }
                    }
                }
            }
            return found
        }

        private mutating func follow(from party: Int, to blocker: Int) {
            steps += 1
            guard isIncluded[blocker] else { return }
            if index[blocker] == 0 {
                visit(blocker)
            } else if isOnStack[blocker] {
                low[party] = min(low[party], index[blocker])
            }
        }

        private mutating func visit(_ party: Int) {
            visitedCount += 1
            index[party] = visitedCount
            low[party] = visitedCount
            isOnStack[party] = true
            stack.append(party)
            path.append((party, 0))
        }

        /// Takes a component off the stack if this party is its root; nil if no victim can be in it.
        private mutating func completedComponent(_ party: Int) -> [Int]? {
            guard low[party] == index[party], let start = stack.lastIndex(of: party) else {
                return nil
            }
            let component = stack[start...].sorted()
            stack.removeSubrange(start...)
            for member in component { isOnStack[member] = false }
            return component.count > 1 && component.contains { $0 >= oldest } ? component : nil
        }
    }
}
