import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

/// Databases and a replica process of a test's own, gone at its end.
func onStage(
    settings: [String] = [], keys: [String: String] = [:],
    _ body: (Stage) async throws -> Void
) async throws {
    let sandbox = try await Sandbox.start(directory: nil, settings: settings)
    sandbox.keys = keys
    do {
        let port = try LoopbackPort.free()
        let replica = try await sandbox.startReplica(1, port: port, isQuiet: true)
        try await body(Stage(sandbox: sandbox, client: LoopbackHTTP(port: port), replica: replica))
    } catch {
        await sandbox.stop()
        throw error
    }
    await sandbox.stop()
}

struct Stage {
    let sandbox: Sandbox
    let client: LoopbackHTTP
    let replica: ChildReplica

    struct Answer {
        let status: Int
        let body: JSONValue
        let text: String

        var type: String? { body["type"]?.string }
    }

    func post(_ body: String, key: String? = nil) async throws -> Answer {
        try Self.answer(await client.post("/v1/transactions", body, key: key))
    }

    func get(_ path: String) async throws -> Answer {
        try Self.answer(await client.get(path))
    }

    static func answer(_ answer: LoopbackHTTP.Answer) throws -> Answer {
        Answer(
            status: answer.status, body: try JSONReader.read(Array(answer.body.utf8)),
            text: answer.body)
    }

    /// One branch in `users` with one statement.
    func run(_ sql: String, _ parameters: String = "[]", _ more: String = "") async throws -> Answer
    {
        let text = sql.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        return try await post(
            #"{"branches":[{"participant":"users","statements":[{"sql":"\#(text)","#
                + #""parameters":\#(parameters)}]}]\#(more)}"#)
    }

    /// The seed's own example: a user in one database, an order in the other.
    static func pair(_ user: String, _ order: String) -> String {
        #"{"branches":[{"participant":"users","statements":[{"sql":"INSERT INTO users VALUES "#
            + #"($1, $2)","parameters":["\#(user)","Ada"]}]},{"participant":"orders","#
            + #""statements":[{"sql":"INSERT INTO orders VALUES ($1, $2, $3)","#
            + #""parameters":["\#(order)","\#(user)",42.50]}]}]}"#
    }

    func cluster(_ name: String) throws -> PostgresCluster {
        try #require(name == "state" ? sandbox.state : sandbox.participants[name])
    }

    func value(_ cluster: String, _ sql: String) async throws -> String? {
        try await Sandbox.rows(self.cluster(cluster), sql).first?.first ?? nil
    }

    /// What must hold after everything: nothing prepared, every row finished, no more rows in the
    /// tables than these.
    func expectQuiet(users: Int, orders: Int) async throws {
        for name in Sandbox.participantNames {
            #expect(try await value(name, "SELECT count(*) FROM pg_prepared_xacts") == "0")
        }
        #expect(try await value("users", "SELECT count(*) FROM users") == "\(users)")
        #expect(try await value("orders", "SELECT count(*) FROM orders") == "\(orders)")
        try await until("every row is finished") {
            try await value(
                "state", "SELECT count(*) FROM tandem.transactions WHERE finished_at IS NULL")
                == "0"
        }
    }

    /// Stops the sessions by which a replica would commit, so that the decision stands alone.
    func freezeFinishers(of name: String, replica: Int) async throws -> [pid_t] {
        let rows = try await Sandbox.rows(
            cluster(name),
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE "
                + "'tandem-finish replica-\(replica)'")
        let pids = rows.compactMap { $0[0].flatMap { pid_t($0) } }
        for pid in pids { kill(pid, SIGSTOP) }
        return pids
    }

    /// Polls what another process does to a database; there is no nearer event.
    func until(_ what: String, _ isSo: () async throws -> Bool) async throws {
        for _ in 0..<2400 {
            if try await isSo() { return }
            try await Task.sleep(for: .milliseconds(25))
        }
        Issue.record("not within 60 s: \(what)")
    }
}
