import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("Ends seen from elsewhere", .serialized)
struct EndElsewhere {
    @Test("I5: every replica reports a finished commit although its owner died before recording it")
    func ownerDiesBeforeTheRecord() async throws {
        try await withReplicas { replicas in
            let testbed = replicas.testbed
            try await testbed.dies(at: "finish.before", Testbed.pair("u1", "o1"))
            for name in Sandbox.participantNames {
                #expect(try await testbed.value(name, "SELECT count(*) FROM \(name)") == "1")
            }
            let id = try await replicas.newestID()
            for path in ["/v1/transactions/\(id)", "/v1/transactions/\(id)?waitSeconds=1"] {
                let status = try Testbed.answer(await replicas.two.get(path))
                #expect(status.body["decision"]?.string == "commit")
                #expect(status.body["state"]?.string == "committed")
                #expect(status.body["branches"]?[1]?["outcome"]?.string == "committed")
            }
            try await testbed.nextIncarnation()
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("I5: a replica that sees a commit finish reports it before the owner knows")
    func ownerHasNoAnswer() async throws {
        let settings = ["transactions: { finishWaitMilliseconds: 1000 }"]
        try await withReplicas(settings: settings) { replicas in
            let testbed = replicas.testbed
            let frozen = try await testbed.freezeFinishers(of: "users", replica: 1)
            let answer = try await testbed.post(Testbed.pair("u1", "o1"))
            #expect(answer.status == 202)
            let id = try #require(answer.body["id"]?.string)
            let open = try Testbed.answer(await replicas.two.get("/v1/transactions/\(id)"))
            #expect(open.body["state"]?.string == "committing")
            // The command runs where nobody hears of it.
            let gid = try #require(open.body["branches"]?[0]?["gid"]?.string)
            try await testbed.asStranger("users", ["COMMIT PREPARED '\(gid)'"])
            let ended = try Testbed.answer(await replicas.two.get("/v1/transactions/\(id)"))
            #expect(ended.body["state"]?.string == "committed")
            // It was recorded before it was reported, though the owner has no answer yet.
            #expect(
                try await testbed.newest("state, finished_at IS NOT NULL") == ["committed", "t"])
            for pid in frozen { kill(pid, SIGCONT) }
            let owner = try await testbed.get("/v1/transactions/\(id)?waitSeconds=60")
            #expect(owner.body["state"]?.string == "committed")
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }
}
