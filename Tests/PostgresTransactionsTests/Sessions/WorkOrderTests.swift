import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("The order in which branches work that were in a deadlock")
@LoopActor
struct WorkOrderTests {
    /// Participants that are not there: an order needs no server.
    private func participants(_ names: [String]) throws -> PostgresParticipants {
        let options = try names.map { name in
            ParticipantOptions(
                name: name,
                connection: try ConnectionOptions(conninfo: "host=127.0.0.1 port=1 dbname=none"))
        }
        return try PostgresParticipants(
            logless: options, installation: "i", allowsFsyncOff: true, queueMax: 10,
            loop: .shared, logger: Logger(label: "test"))
    }

    /// A deadlock in which a branch waited that had passed a gate.
    private func note(
        _ branch: (name: String, shape: Int), in participants: PostgresParticipants
    ) {
        participants.noteDeadlock([(requests(branch)[0], isGated: true)])
    }

    private func requests(_ branches: (name: String, shape: Int)...) -> [SessionRequest] {
        branches.map {
            SessionRequest(participant: $0.name, commitMode: .twoPhase, shape: $0.shape)
        }
    }

    @Test(
        "is by name and number, whatever the order of the request and of the configuration",
        arguments: [["a", "b", "c"], ["c", "b", "a"]])
    func canonical(names: [String]) async throws {
        let participants = try participants(names)
        let pair = requests(("c", 1), ("a", 2), ("b", 3), ("a", 4))
        #expect(participants.workOrder(pair) == nil)
        // A mere wait imposes no order.
        participants.members["b"]?.onContention?(pair[2], [pair[2]])
        #expect(participants.workOrder(pair) == nil)
        note(("b", 3), in: participants)
        #expect(participants.workOrder(pair) == [1, 3, 2, 0])
        #expect(participants.workOrder(requests(("b", 3), ("a", 2))) == [1, 0])
        // Not the same shape, or not there.
        #expect(participants.workOrder(requests(("b", 1), ("a", 3))) == nil)
        #expect(participants.workOrder(requests(("b", 3))) == nil)
        await participants.close()
    }

    @Test("is imposed upon one closure, and never upon two, which may wait for each other")
    func closures() async throws {
        let participants = try participants(["a", "b", "c"])
        note(("b", 3), in: participants)
        #expect(participants.workOrder(requests(("c", 0), ("b", 3))) == [1, 0])
        #expect(participants.workOrder(requests(("c", 0), ("b", 3), ("a", 0))) == nil)
        await participants.close()
    }

    @Test("is not imposed if gates that were not known yet prevent the deadlock from now on")
    func prevented() async throws {
        let participants = try participants(["a", "b"])
        let pair = requests(("a", 1), ("b", 2))
        for request in pair {
            participants.members[request.participant]?.onContention?(request, [request])
        }
        participants.noteDeadlock([(pair[0], isGated: true), (pair[1], isGated: false)])
        #expect(participants.workOrder(pair) == nil)
        // They did not help.
        participants.noteDeadlock([(pair[0], isGated: true), (pair[1], isGated: true)])
        #expect(participants.workOrder(pair) == [0, 1])
        await participants.close()
    }

    @Test("is imposed if one of the branches has no gate")
    func halfPrevented() async throws {
        let participants = try participants(["a", "b"])
        let pair = requests(("a", 1), ("b", 2))
        participants.members["a"]?.onContention?(pair[0], [pair[0]])
        participants.noteDeadlock([(pair[0], isGated: false), (pair[1], isGated: false)])
        #expect(participants.workOrder(pair) == [0, 1])
        await participants.close()
    }
}
