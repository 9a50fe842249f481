import CoordinatorAPI
import Foundation
import PostgresClusters
import Testing

@testable import tandem

@Suite("A commit point whose server is gone", .serialized)
struct LostCommitPointTests {
    @Test("I9: a repeated key gets outcome-unknown, and not aborted")
    func repeatedKey() async throws {
        try await withCommitModes(keys: JournalCommitTests.keys) { testbed in
            try await testbed.dies(at: "commitLocally.after.0", Testbed.journalled("a"), key: "k")
            #expect(try await testbed.journal() == ["commit"])
            // "users" is now the server of "orders", which has the tables as well.
            testbed.sandbox.addresses["users"] = try testbed.cluster("orders").connectionString()
            try await testbed.nextIncarnation()
            try await testbed.expectEnd("needsOperator")
            let again = try await testbed.post(Testbed.journalled("a"), key: "k")
            #expect(again.status == 503)
            #expect(again.type == "/problems/outcome-unknown")
            #expect(again.body["outcome"]?.string == "unknown")
            let id = try #require(again.body["transaction"]?.string)
            let status = try await testbed.get("/v1/transactions/\(id)")
            #expect(status.body["state"]?.string == "needsOperator")
            #expect(status.body["decision"] == .null)
        }
    }
}
