import CoordinatorAPI
import Foundation
import PostgresClusters
import Testing

@testable import tandem

@Suite("A register whose server is gone", .serialized)
struct RegisterGone {
    @Test("I9: a repeated key is told that nobody can say, and not that it was aborted")
    func repeatedKey() async throws {
        try await onEndingStage(keys: JournalEndings.keys) { stage in
            try await stage.dies(at: "commitLocally.after.0", Stage.journalled("a"), key: "k")
            #expect(try await stage.journal() == ["commit"])
            // "users" is now the server of "orders", which has the tables as well.
            stage.sandbox.addresses["users"] = try stage.cluster("orders").connectionString()
            try await stage.nextLife()
            try await stage.expectEnd("needsOperator")
            let again = try await stage.post(Stage.journalled("a"), key: "k")
            #expect(again.status == 503)
            #expect(again.type == "/problems/outcome-unknown")
            #expect(again.body["outcome"]?.string == "unknown")
            let id = try #require(again.body["transaction"]?.string)
            let status = try await stage.get("/v1/transactions/\(id)")
            #expect(status.body["state"]?.string == "needsOperator")
            #expect(status.body["decision"] == .null)
        }
    }
}
