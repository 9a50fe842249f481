import Testing

@testable import CommitProtocol

/// Which transactions are the victims, case by case; `GeneratedWaits` checks the rules in general.
@Suite struct WaitGraphTests {
    @Test func findsNothingInAQueue() {
        #expect(WaitGraph(queue([1, 5, 3, 2, 4])).deadlocks() == [])
    }

    @Test func endsTheYoungerOfTwo() {
        let edges = [edge(1, 2, "a"), edge(2, 1, "b")]
        #expect(
            WaitGraph(edges).deadlocks()
                == [.init(victim: id(2), cycle: [edge(2, 1, "b"), edge(1, 2, "a")])])
    }

    @Test func tellsTheCycleFromTheVictimOn() {
        let edges = [edge(1, 3), edge(3, 2), edge(2, 4), edge(4, 1)]
        #expect(
            WaitGraph(edges).deadlocks()
                == [.init(victim: id(4), cycle: [edge(4, 1), edge(1, 3), edge(3, 2), edge(2, 4)])])
    }

    /// The run with the largest id belongs to the oldest request.
    @Test func countsTheAgeOfTheFirstRun() {
        let old = LockParty.transaction(id(9), age: id(1))
        let edges = [
            LockEdge(waiter: old, blocker: party(5), wait: "a"),
            LockEdge(waiter: party(5), blocker: old, wait: "b"),
        ]
        #expect(WaitGraph(edges).deadlocks().map(\.victim) == [id(5)])
    }

    @Test func endsOneOfEachCycle() {
        let edges = [edge(1, 2), edge(2, 1), edge(3, 4), edge(4, 3)]
        #expect(WaitGraph(edges).deadlocks().map(\.victim) == [id(2), id(4)])
    }

    /// 2 is the victim because of 1; then 3 waits for no party that waits for it.
    @Test func sparesTransactionWhoseCycleEndsWithAnother() {
        let edges = [edge(1, 2), edge(2, 1), edge(2, 3), edge(3, 2)]
        #expect(WaitGraph(edges).deadlocks().map(\.victim) == [id(2)])
    }

    /// One end of a queue waits for the other: 1 holds the row, and waits for another row of 2, the last.
    ///
    /// Those between are younger, and on cycles as well, for the last waits for each of them.
    @Test(arguments: [[], [3, 4, 5, 6, 7, 8]])
    func endsOneTransactionForAWholeQueue(_ between: [Int64]) {
        let edges = queue([1] + between + [2]) + [edge(1, 2, "other row")]
        #expect(WaitGraph(edges).deadlocks().map(\.victim) == [id(2)])
    }

    @Test func endsTransactionInCycleWithStrangers() {
        let edges = [
            LockEdge(waiter: party(7), blocker: stranger(1), wait: "a"),
            LockEdge(waiter: stranger(1), blocker: stranger(2), wait: "b"),
            LockEdge(waiter: stranger(2), blocker: party(7), wait: "c"),
        ]
        #expect(WaitGraph(edges).deadlocks() == [.init(victim: id(7), cycle: edges)])
    }

    @Test func leavesCycleOfStrangersToPostgreSQL() {
        let edges = [
            LockEdge(waiter: stranger(1), blocker: stranger(2), wait: "a"),
            LockEdge(waiter: stranger(2), blocker: stranger(1), wait: "b"),
            LockEdge(waiter: party(1), blocker: stranger(1), wait: "c"),
        ]
        #expect(WaitGraph(edges).deadlocks() == [])
    }

    /// Two servers may give the same process number to different sessions.
    @Test func tellsStrangersOfTwoServersApart() {
        let edges = [
            LockEdge(waiter: party(1), blocker: stranger(1, on: "7000"), wait: "a"),
            LockEdge(waiter: stranger(1, on: "7001"), blocker: party(1), wait: "b"),
        ]
        #expect(WaitGraph(edges).deadlocks() == [])
    }

    /// `blockedByItself` is another failure: the same request would fail again.
    @Test func ignoresTransactionThatWaitsForItself() {
        #expect(WaitGraph([edge(1, 1)]).deadlocks() == [])
    }

    @Test func usesOnlyEdgesOfBothReadings() {
        let first = [edge(1, 2, "a"), edge(2, 1, "b")]
        func victims(_ second: [LockEdge]) -> [GlobalTransactionID] {
            WaitGraph(first, confirmedBy: second).deadlocks().map(\.victim)
        }
        #expect(victims(first.reversed()) == [id(2)])
        #expect(victims([edge(1, 2, "a")]) == [])
        #expect(victims([edge(1, 2, "a"), edge(2, 1, "a later wait")]) == [])
        #expect(victims([edge(1, 2, "a"), edge(2, 1, "a later wait"), edge(2, 1, "b")]) == [id(2)])
    }

    @Test func isEmptyWithoutEdges() {
        #expect(WaitGraph([]).deadlocks() == [])
        #expect(WaitGraph([edge(1, 2)], confirmedBy: []).deadlocks() == [])
    }
}

// MARK: Making waits

func id(_ number: Int64) -> GlobalTransactionID { GlobalTransactionID(number: number, salt: 7) }

/// A transaction in its first run.
func party(_ number: Int64) -> LockParty { .transaction(id(number), age: id(number)) }

func stranger(_ processID: Int32, on server: String = "7000") -> LockParty {
    .stranger(server: server, processID: processID)
}

func edge(_ waiter: Int64, _ blocker: Int64, _ wait: String = "row") -> LockEdge {
    LockEdge(waiter: party(waiter), blocker: party(blocker), wait: wait)
}

/// The edges of a queue for one row, as a server shows them: each waits for all before it, and the
/// first holds the lock.
func queue(_ order: [Int64]) -> [LockEdge] {
    order.indices.flatMap { place in order[..<place].map { edge(order[place], $0) } }
}
