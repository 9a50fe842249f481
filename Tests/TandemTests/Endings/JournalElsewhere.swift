import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("Journal transactions seen from elsewhere", .serialized)
struct JournalElsewhere {
    @Test("I5: what the journal has decided is told by every replica, before the row has a copy")
    func toldEverywhere() async throws {
        try await onReplicaStage(keys: Self.patient) { replicas in
            let stage = replicas.stage
            try await stage.untilAvailable()
            let frozen = try await stage.freezeFinishers(of: "orders")
            let early = try await stage.transaction(
                Stage.journalled("a"),
                ["Prefer: return-at=decision", #"Idempotency-Key: "k""#])
            #expect(early.status == 202)
            #expect(early.body["branches"]?[0]?["ending"]?.string == "journal")
            let id = try #require(early.body["id"]?.string)
            #expect(try await stage.newest("decision") == [nil], "the row has no copy yet")
            for client in [replicas.one, replicas.two] {
                let status = try Stage.answer(await client.get("/v1/transactions/\(id)"))
                #expect(status.body["decision"]?.string == "commit")
                #expect(status.body["state"]?.string == "committing")
                let list = try Stage.answer(await client.get("/v1/transactions"))
                #expect(list.body["transactions"]?[0]?["decision"]?.string == "commit")
                let again = try Stage.answer(
                    await client.post("/v1/transactions", Stage.journalled("a"), key: "k"))
                #expect(again.status == 202)
                #expect(again.body["id"]?.string == id)
            }

            // The owner dies, and its successor is asked while it finds out.
            await stage.replica.kill()
            for pid in frozen {
                kill(pid, SIGTERM)
                kill(pid, SIGCONT)
            }
            try await stage.until("the other replica commits it") {
                let status = try Stage.answer(await replicas.two.get("/v1/transactions/\(id)"))
                guard status.status == 200 else {
                    #expect(status.type == "/problems/outcome-unknown")
                    return false
                }
                #expect(status.body["decision"]?.string == "commit")
                return status.body["state"]?.string == "committed"
            }
            try await stage.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("I5: while the journal does not answer, its decision is unknown, and not undecided")
    func silentJournal() async throws {
        try await onReplicaStage(keys: Self.patient) { replicas in
            let stage = replicas.stage
            try await stage.untilAvailable()
            let frozen = try await stage.freezeFinishers(of: "orders")
            let early = try await stage.transaction(
                Stage.journalled("a"), ["Prefer: return-at=decision"])
            let id = try #require(early.body["id"]?.string)
            try await stage.cluster("users").kill()
            let answer = try Stage.answer(await replicas.two.get("/v1/transactions/\(id)"))
            #expect(answer.status == 503)
            #expect(answer.type == "/problems/outcome-unknown")
            #expect(answer.body["transaction"]?.string == id)
            let owner = try await stage.get("/v1/transactions/\(id)")
            #expect(owner.body["decision"]?.string == "commit")
            for pid in frozen { kill(pid, SIGCONT) }
            try await stage.cluster("users").restart()
            _ = try await stage.status(id, "it is committed") {
                $0["state"]?.string == "committed"
            }
            try await stage.expectQuiet(users: 1, orders: 1)
        }
    }

    /// As a machine that is slow to connect needs it, with the journal in `users`.
    static let patient = [
        "users": "connectTimeoutMilliseconds: 30000, journal: true",
        "orders": "connectTimeoutMilliseconds: 30000",
    ]
}
