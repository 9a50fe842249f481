import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

/// Two replicas over one state database; `first` is the testbed's own.
struct ReplicaTestbed {
    let testbed: Testbed
    let second: ChildReplica

    var one: LoopbackHTTP { testbed.client }
    var two: LoopbackHTTP { LoopbackHTTP(port: second.port) }

    /// One statement in `users`, from the first replica.
    static func body(_ sql: String, _ more: String = "") -> String {
        #"{"branches":[{"participant":"users","statements":[{"sql":"\#(sql)"}]}]\#(more)}"#
    }

    /// Sends the first replica a request whose SQL runs for ten minutes unless it is cancelled, and
    /// returns when the SQL runs and the transaction is recorded.
    func startEndless(timeoutMilliseconds: Int) async throws -> Task<Testbed.Answer, any Error> {
        let one = one
        let request = Task {
            try Testbed.answer(
                await one.post(
                    "/v1/transactions",
                    Self.body(
                        "INSERT INTO users SELECT 'a', pg_sleep(600)::text",
                        #","timeoutMilliseconds":\#(timeoutMilliseconds)"#)))
        }
        try await untilRuns("pg_sleep(600)")
        // The record may be written after the work has begun.
        _ = try await newestID()
        return request
    }

    /// The newest transaction's id, once it is recorded.
    func newestID() async throws -> String {
        var id: String?
        try await testbed.until("a row is accepted") {
            let list = try Testbed.answer(await two.get("/v1/transactions?limit=1"))
            id = list.body["transactions"]?[0]?["id"]?.string
            return id != nil
        }
        return try #require(id)
    }

    /// Waits until a statement with this text runs in `users`, or no longer does.
    func untilRuns(_ text: String, _ isRunning: Bool = true) async throws {
        try await testbed.until("\(text) \(isRunning ? "runs" : "is gone")") {
            try await testbed.value(
                "users",
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%\(text)%' "
                    + "AND pid <> pg_backend_pid() AND state = 'active'")
                == (isRunning ? "1" : "0")
        }
    }

    func postJSON(
        _ client: LoopbackHTTP, _ path: String, _ body: String = "", fields: [String] = []
    ) async throws -> Testbed.Answer {
        try Testbed.answer(await client.post(path, body, fields: fields))
    }
}

func withReplicas(
    settings: [String] = [], keys: [String: String] = [:],
    _ body: (ReplicaTestbed) async throws -> Void
) async throws {
    try await withTestbed(settings: settings, keys: keys) { testbed in
        let second = try await testbed.sandbox.startReplica(2, isQuiet: true)
        try await body(ReplicaTestbed(testbed: testbed, second: second))
    }
}
