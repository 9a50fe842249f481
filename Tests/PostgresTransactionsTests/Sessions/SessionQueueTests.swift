import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("The queue for sessions")
@LoopActor
struct SessionQueueTests {
    private let queue = SessionQueue()

    private func join(
        _ ticket: Int, _ participants: String..., shape: Int = 0, isContended: Bool = false,
        runsAgain: Bool = false
    ) {
        queue.append(
            SessionWaiter(
                ticket: ticket,
                requests: participants.map {
                    SessionRequest(participant: $0, commitMode: .twoPhase, shape: shape)
                }, runsAgain: runsAgain, isContended: isContended, reply: nil, timer: nil))
    }

    /// Who is served, and who is looked at, when a participant has something and so many are idle.
    private func serve(
        _ participant: String, idle: inout [String: Int]
    ) -> (served: [Int], looked: [Int]) {
        var served: [Int] = []
        var looked: [Int] = []
        queue.serve(participant) { turn in
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
        join(2, "a")
        join(3, "b", isContended: true)
        join(4, "b", isContended: true, runsAgain: true)
        #expect(queue.ordinaryTurn?.waiter.ticket == 2)
        // The line has its place by the third, and the fourth is served before it.
        #expect(queue.contendedTurn?.waiter.ticket == 4)
        #expect(queue.contendedTurn?.place == 3)
        _ = queue.remove(ticket: 3)
        #expect(queue.contendedTurn?.place == 4)
        _ = queue.remove(ticket: 2)
        #expect(queue.ordinaryTurn == nil)
        join(5, "c")
        #expect(queue.ordinaryTurn?.place == 5)
    }

    @Test("moves requests that turn contended to lines of their own, in the order of arrival")
    func moved() {
        join(1, "a", shape: 1)
        join(2, "a", shape: 2)
        join(3, "a", shape: 1, isContended: true)
        join(4, "a", shape: 1)
        join(5, "b", "a", shape: 1)
        join(6, "b", shape: 1)
        let pattern = BranchPattern(
            sqlOf: SessionRequest(participant: "a", commitMode: .twoPhase, shape: 1))
        #expect(queue.noteContention(of: pattern) == ["a", "b"])
        #expect(queue.noteContention(of: pattern) == [])
        #expect(queue.contendedCount == 4)
        var looked: [Int] = []
        queue.serve("a") { turn in
            looked.append(turn.waiter.ticket)
            return turn.waiter.isContended ? nil : .success([])
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
        queue.serve("a") { _ in
            .failure(.slotsExhausted(name: "a", usage: SlotUsage(limit: 1, own: 1)))
        }
        #expect(queue.count == 0)
    }

    @Test("keeps the order when a request leaves")
    func removed() {
        for ticket in 1...3 { join(ticket, "a") }
        #expect(queue.remove(ticket: 1)?.ticket == 1)
        #expect(queue.remove(ticket: 1) == nil)
        #expect(queue.remove(ticket: 3)?.ticket == 3)
        var idle = ["a": 2]
        #expect(serve("a", idle: &idle).served == [2])
    }
}
