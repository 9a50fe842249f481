import EventLoop
import Testing
import TransactionEngine

@testable import PostgresTransactions

/// Participants that are busy all the time hardly have an idle session in the same moment.
@Suite("Requests over several participants are not overtaken for ever", .timeLimit(.minutes(20)))
@LoopActor
struct FairnessTests {
    @Test("keeps a session of one participant until the other has one as well")
    func kept() async throws {
        try await SessionBed.run(poolSize: 2) { bed in
            let (a, b) = (
                try await take(2, "a", bed), try await take(2, "b", bed)
            )
            let both = await bed.ask(of: "a", "b")
            let onlyA = await bed.ask(of: "a")
            let onlyB = await bed.ask(of: "b")
            await bed.release([a[0]])
            #expect(bed.waitingCount == 3)
            await bed.release([b[0]])
            await bed.release(try await both.value)
            await bed.release(try await onlyA.value + onlyB.value + [a[1], b[1]])
        }
    }

    @Test("frees kept sessions when the request leaves", arguments: [true, false])
    func left(isCancelled: Bool) async throws {
        try await SessionBed.run(poolSize: 2) { bed in
            let (a, b) = (
                try await take(2, "a", bed), try await take(2, "b", bed)
            )
            let both = await bed.ask(
                of: "a", "b",
                within: isCancelled ? .seconds(86_400) : .milliseconds(200))
            let onlyA = await bed.ask(of: "a")
            await bed.release([a[0]])
            if isCancelled { both.cancel() }
            await bed.release(try await onlyA.value)
            await #expect(throws: AdmissionFailure.self) { try await both.value }
            await bed.release([a[1]] + b)
        }
    }

    @Test("keeps nothing of a pool with a single session")
    func single() async throws {
        try await SessionBed.run(poolSize: 1) { bed in
            let (a, b) = (
                try await take(1, "a", bed), try await take(1, "b", bed)
            )
            let both = await bed.ask(of: "a", "b")
            let onlyA = await bed.ask(of: "a")
            await bed.release([a[0]])
            await bed.release(try await onlyA.value)
            await bed.release([b[0]])
            await bed.release(try await both.value)
        }
    }

    private func take(
        _ count: Int, _ name: String, _ bed: SessionBed
    ) async throws -> SessionBed.Sessions {
        var sessions: SessionBed.Sessions = []
        for _ in 0..<count { sessions += try await bed.take(of: name) }
        return sessions
    }
}
