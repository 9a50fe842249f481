import CoordinatorAPI
import Testing

@testable import tandem

@Suite("A branch's own isolation level and lock timeout")
struct BranchSettingsTests {
    private static let read =
        #"{"sql":"SELECT current_setting('transaction_isolation') AS isolation, "#
        + #"current_setting('lock_timeout') AS lock_limit"}"#

    /// What the branches of a committed transaction see.
    private func settings(
        _ testbed: Testbed, _ branches: [String], _ members: String
    ) async throws -> [[String?]] {
        let parts = branches.map { #"{\#($0),"statements":[\#(Self.read)]}"# }
        let answer = try await testbed.post(
            #"{"branches":[\#(parts.joined(separator: ","))]\#(members)}"#)
        #expect(answer.status == 201, "\(answer.text)")
        return branches.indices.map { branch in
            let row = answer.body["branches"]?[branch]?["results"]?[0]?["rows"]?[0]
            return [row?["isolation"]?.string, row?["lock_limit"]?.string]
        }
    }

    @Test("prevail over the transaction's, and are gone with the branch")
    func prevail() async throws {
        // One session in each participant: the next transaction gets the one that had the settings.
        let keys = ["users": "poolSize: 1", "orders": "poolSize: 1"]
        try await withTestbed(keys: keys) { testbed in
            let found = try await settings(
                testbed,
                [
                    #""participant":"users","isolation":"serializable","lockTimeoutMilliseconds":70"#,
                    #""participant":"orders""#,
                ], #","isolation":"repeatableRead","lockTimeoutMilliseconds":90"#)
            #expect(found == [["serializable", "70ms"], ["repeatable read", "90ms"]])
            let after = try await settings(
                testbed, [#""participant":"users""#, #""participant":"orders","readOnly":true"#], ""
            )
            #expect(after == [["read committed", "5s"], ["read committed", "5s"]])
        }
    }

    @Test("end a wait for a lock, and are gone although the branch failed")
    func endsWait() async throws {
        let keys = ["users": "poolSize: 1, lockTimeoutMilliseconds: 0"]
        try await withTestbed(keys: keys) { testbed in
            // A prepared transaction keeps its lock when its session has gone.
            try await testbed.asStranger(
                "users", ["BEGIN", "LOCK TABLE users", "PREPARE TRANSACTION 'holder'"])
            let answer = try await testbed.run(
                "INSERT INTO users VALUES ('u1', 'x')", "[]", #","lockTimeoutMilliseconds":50"#)
            #expect(answer.status == 409)
            #expect(answer.body["sqlstate"]?.string == "55P03", "\(answer.text)")
            try await testbed.asStranger("users", ["ROLLBACK PREPARED 'holder'"])
            let after = try await settings(testbed, [#""participant":"users""#], "")
            #expect(after == [["read committed", "0"]])
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("are gone although the branch was held open and then rolled back")
    func heldAndRolledBack() async throws {
        let keys = ["users": "poolSize: 1", "orders": "poolSize: 1"]
        try await withTestbed(keys: keys) { testbed in
            let answer = try await testbed.post(
                #"{"branches":[{"participant":"users","readOnly":true,"lockTimeoutMilliseconds":70,"#
                    + #""statements":[{"sql":"SELECT 1"}]},{"participant":"orders","statements":"#
                    + #"[{"sql":"SELECT 1 / 0"}]}]}"#)
            #expect(answer.status == 409)
            let after = try await settings(testbed, [#""participant":"users""#], "")
            #expect(after == [["read committed", "5s"]])
        }
    }
}
