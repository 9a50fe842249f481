import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("The queue for sessions")
@LoopActor
struct SessionQueueTests {
    private let queue = SessionQueue()

    private func join(_ ticket: Int, _ participants: String...) {
        queue.append(
            SessionWaiter(
                ticket: ticket,
                requests: participants.map {
                    SessionRequest(participant: $0, commitMode: .twoPhase)
                },
                reply: nil, timer: nil))
    }

    /// Who is served, and who is looked at, when a participant has something and so many are idle.
    private func serve(
        _ participant: String, idle: inout [String: Int]
    ) -> (served: [Int], looked: [Int]) {
        var served: [Int] = []
        var looked: [Int] = []
        queue.serve(participant) { waiter in
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

    @Test("keeps sessions for the first request, at most half of a pool")
    func kept() {
        #expect(queue.kept(of: "a", poolSize: 12, from: nil) == 0)
        join(2, "a", "b", "a")
        join(3, "c")
        #expect(queue.kept(of: "a", poolSize: 12, from: nil) == 2)
        #expect(queue.kept(of: "a", poolSize: 4, from: 3) == 2)
        #expect(queue.kept(of: "a", poolSize: 3, from: 3) == 0)
        #expect(queue.kept(of: "a", poolSize: 12, from: 2) == 0)
        #expect(queue.kept(of: "c", poolSize: 12, from: nil) == 0)
        _ = queue.remove(ticket: 2)
        #expect(queue.kept(of: "a", poolSize: 12, from: nil) == 0)
        #expect(queue.kept(of: "c", poolSize: 2, from: nil) == 1)
    }

    @Test("tries only the first request of each line")
    func looks() {
        for ticket in 1...1000 {
            // The order of the branches makes no line of its own.
            if ticket.isMultiple(of: 2) { join(ticket, "a", "b") } else { join(ticket, "b", "a") }
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
