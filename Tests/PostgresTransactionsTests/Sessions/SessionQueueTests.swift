import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("The queue for sessions")
@LoopActor
struct SessionQueueTests {
    private static let names = ["a", "b", "dead", "c"]
    private let queue = SessionQueue(participants: names.count)

    /// A request that waits, for a session of each.
    @discardableResult
    private func join(
        _ ticket: Int, _ participants: String..., shape: Int = 0, isContended: Bool = false,
        gates: [RowGate] = [], runsAgain: Bool = false
    ) -> SessionWaiter {
        let requests = participants.map {
            SessionRequest(participant: $0, commitMode: .twoPhase, shape: shape)
        }
        var contended = ContendedBranches()
        contended.sharesSessions = isContended
        for gate in gates { contended.add(gate, to: 0, of: requests.count) }
        let waiter = SessionWaiter(
            requests, need: SessionNeed(requests, among: Self.names), contended: contended,
            runsAgain: runsAgain)
        waiter.begin(ticket: ticket, at: .now)
        queue.append(waiter)
        return waiter
    }

    private func place(of participant: String) -> Int {
        Self.names.firstIndex(of: participant) ?? -1
    }

    /// Who is served, and who is looked at, when a participant has something and so many are idle.
    private func serve(
        _ participant: String, idle: inout [String: Int]
    ) -> (served: [Int], looked: [Int]) {
        var served: [Int] = []
        var looked: [Int] = []
        queue.serve(place(of: participant)) { turn in
            let waiter = turn.waiter
            looked.append(waiter.ticket)
            let names = waiter.requests.map(\.participant)
            guard names.allSatisfy({ idle[$0, default: 0] > 0 }) else { return nil }
            for name in names { idle[name, default: 0] -= 1 }
            served.append(waiter.ticket)
            return .success([])
        }
        return (served, looked)
    }

    @Test("serves in the order of arrival, across different needs")
    func order() {
        join(1, "a", "b")
        join(2, "b")
        join(3, "b", "a")
        join(4, "b")
        var idle = ["a": 1, "b": 3]
        #expect(serve("b", idle: &idle).served == [1, 2, 4])
        #expect(queue.count == 1)
        idle = ["a": 1, "b": 1]
        #expect(serve("a", idle: &idle).served == [3])
        #expect(queue.count == 0)
    }

    @Test("passes over a request that cannot be served")
    func passedOver() {
        join(1, "a", "dead")
        join(2, "a")
        var idle = ["a": 1]
        #expect(serve("a", idle: &idle).served == [2])
        // It was not asked whether it wants something of a participant that it does not want.
        #expect(serve("b", idle: &idle).looked == [])
        #expect(queue.count == 1)
    }

    @Test("knows which request has waited longest, of the contended ones and of the others")
    func turns() {
        #expect(queue.ordinaryTurn == nil)
        let second = join(2, "a")
        let third = join(3, "b", isContended: true)
        join(4, "b", isContended: true, runsAgain: true)
        #expect(queue.ordinaryTurn?.waiter.ticket == 2)
        // The line has its place by the third, and the fourth is served before it.
        #expect(queue.contendedTurn?.waiter.ticket == 4)
        #expect(queue.contendedTurn?.place == 3)
        queue.remove(third)
        #expect(queue.contendedTurn?.place == 4)
        queue.remove(second)
        #expect(queue.ordinaryTurn == nil)
        join(5, "c")
        #expect(queue.ordinaryTurn?.place == 5)
    }

    @Test("moves requests that turn contended to lines of their own, in the order of arrival")
    func moved() {
        let first = join(1, "a")
        join(2, "a")
        join(3, "a", isContended: true)
        let fourth = join(4, "a")
        let fifth = join(5, "b", "a")
        join(6, "b")
        var contended = ContendedBranches()
        contended.sharesSessions = true
        for waiter in [fifth, fourth, first] { queue.move(waiter, to: contended) }
        #expect(queue.contendedCount == 4)
        #expect(queue.count == 6)
        #expect(queue.contendedTurn?.place == 1)
        var looked: [Int] = []
        queue.serve(place(of: "a")) { turn in
            looked.append(turn.waiter.ticket)
            return turn.waiter.contended.isContended ? nil : .success([])
        }
        #expect(looked == [1, 2, 5])
        var idle = ["a": 4, "b": 1]
        #expect(serve("a", idle: &idle).served == [1, 3, 4, 5])
        #expect(queue.count == 1)
    }

    @Test("serves what runs again before the rest of its line, which keeps its place")
    func runsAgain() {
        join(1, "a")
        join(2, "b", "a")
        join(3, "a", runsAgain: true)
        join(4, "a", runsAgain: true)
        var idle = ["a": 4, "b": 1]
        #expect(serve("a", idle: &idle).served == [3, 4, 1, 2])
    }

    @Test("tries only the first request of each line")
    func looks() {
        for ticket in 1...1000 {
            // Neither the order of the branches nor their shapes make a line of their own.
            if ticket.isMultiple(of: 2) {
                join(ticket, "a", "b", shape: ticket)
            } else {
                join(ticket, "b", "a", shape: ticket)
            }
        }
        var idle = ["a": 1]
        #expect(serve("a", idle: &idle).looked == [1])
        idle["b"] = 1
        #expect(serve("b", idle: &idle).looked == [1, 2])
        #expect(queue.count == 999)
    }

    @Test("goes on to the next request after a refusal")
    func refused() {
        for ticket in 1...3 { join(ticket, "a") }
        queue.serve(place(of: "a")) { _ in
            .failure(.slotsExhausted(name: "a", usage: SlotUsage(limit: 1, own: 1)))
        }
        #expect(queue.count == 0)
    }

    @Test("keeps the order when a request leaves")
    func removed() {
        let waiters = (1...3).map { join($0, "a") }
        queue.remove(waiters[0])
        queue.remove(waiters[0])
        queue.remove(waiters[2])
        #expect(queue.count == 1)
        var idle = ["a": 2]
        #expect(serve("a", idle: &idle).served == [2])
    }

    // MARK: Gates

    /// Which requests pass a gate when it opens, but for one that lacks sessions; those that pass enter
    /// their gates.
    private func open(_ gate: RowGate, lacking: Int? = nil) -> [Int] {
        gate.leave()
        return serve(gate, lacking: lacking)
    }

    private func serve(_ gate: RowGate, lacking: Int? = nil) -> [Int] {
        var passed: [Int] = []
        queue.serve(gate) { turn in
            guard turn.waiter.ticket != lacking else { return nil }
            passed.append(turn.waiter.ticket)
            for gate in turn.waiter.contended.gates { gate.enter() }
            return .success([])
        }
        return passed
    }

    private func shutGates(_ count: Int) -> [RowGate] {
        (0..<count).map { _ in
            let gate = RowGate()
            gate.enter()
            return gate
        }
    }

    @Test(
        "lets one request at a time pass a gate, in the order of arrival; one that runs again first"
    )
    func gate() {
        let gate = shutGates(1)[0]
        join(1, "a", gates: [gate])
        join(2, "a", "b", gates: [gate])
        join(3, "a", gates: [gate])
        join(4, "a", gates: [gate], runsAgain: true)
        // No session is offered to them.
        var idle = ["a": 9, "b": 9]
        #expect(serve("a", idle: &idle).looked == [])
        #expect([4, 1, 2, 3].allSatisfy { [$0] == open(gate) })
        #expect(open(gate) == [])
        #expect(queue.count == 0)
        #expect(queue.contendedCount == 0)
        #expect(gate.lines.isEmpty)
    }

    @Test(
        "passes over a request that waits for another gate, but for the one that has waited longest"
    )
    func kept() {
        let (first, second, third) = (shutGates(1)[0], shutGates(1)[0], shutGates(1)[0])
        join(1, "a", gates: [first, second])
        join(2, "a", gates: [second, third])
        join(3, "a", gates: [first])
        join(4, "a", gates: [third])
        #expect(open(first) == [])
        #expect(!queue.mayPass([first]))
        #expect(open(third) == [4])
        #expect(open(second) == [1])
        // The second has waited longest now.
        #expect(open(first) == [3])
        #expect(open(third) == [])
        #expect(open(second) == [2])
        #expect(queue.count == 0)
    }

    @Test("does not keep a gate for a request that waits for a session, and says that it is free")
    func notKeptForSessions() {
        let (first, second) = (shutGates(1)[0], shutGates(1)[0])
        join(1, "a", "dead", gates: [first, second])
        join(2, "a", gates: [first])
        #expect(open(first) == [])
        #expect(open(second, lacking: 1) == [])
        #expect(queue.takeFreedGates().contains { $0 === first })
        #expect(serve(first, lacking: 1) == [2])
        // Its gate is shut again, so no session is kept for it.
        var idle = ["a": 1, "dead": 1]
        #expect(serve("a", idle: &idle).looked == [])
        #expect(queue.contendedTurn == nil)
        #expect(open(first) == [1])
    }

    @Test("keeps no session for the rest of a line whose gate has been passed")
    func rest() {
        let gate = shutGates(1)[0]
        join(1, "a", gates: [gate])
        join(2, "a", gates: [gate])
        #expect(open(gate, lacking: 1) == [])
        #expect(queue.contendedTurn?.place == 1)
        queue.serve(place(of: "a")) { turn in
            for gate in turn.waiter.contended.gates { gate.enter() }
            return .success([])
        }
        #expect(queue.count == 1)
        #expect(queue.contendedTurn == nil)
        #expect(open(gate) == [2])
    }
}
