import ArgumentParser
import EventLoop
import Foundation
import Glibc
import PostgresClient
import PostgresClusters

/// The command `tandem demo`.
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows how a user and an order are written into two databases atomically.",
        discussion: """
            It starts three throwaway PostgreSQL servers and a coordinator process, sends it HTTP \
            requests, kills it between a decision and its commits, and shows the contents of the \
            databases after each step. The exit status is 0 only if every result is as expected.
            """)

    func run() async throws {
        show("Starting three throwaway PostgreSQL servers (state, users, orders) and tandem...")
        let settings = ["transactions: { recoveryIntervalMilliseconds: 500 }"]
        let sandbox = try await Sandbox.start(directory: nil, settings: settings)
        do {
            let replica = try await sandbox.startReplica(1, isQuiet: true)
            let steps = DemoSteps(sandbox: sandbox, port: replica.port)
            try await steps.commit()
            try await steps.abort()
            try await steps.crash(replica)
        } catch {
            await sandbox.stop()
            throw error
        }
        await sandbox.stop()
        show("\nEvery result was as expected. Next: `tandem dev` keeps it running for you.")
    }
}

/// Prints a line at once, also into a pipe.
private func show(_ text: String) {
    print(text)
    fflush(nil)
}

/// The three steps.
private struct DemoSteps {
    struct UnexpectedResult: Error, CustomStringConvertible {
        let description: String
    }

    let sandbox: Sandbox
    let port: UInt16

    private var client: LoopbackHTTP { LoopbackHTTP(port: port) }

    func commit() async throws {
        show("\n--- 1. Insert a user in one database and an order in the other: both commit ---")
        let answer = try await post(user: "u1", order: "o1")
        try expect(answer.status == 201, "201 Created")
        try await showTables(users: 1, orders: 1)
    }

    func abort() async throws {
        show("\n--- 2. Insert an order whose id is taken: neither commits ---")
        let answer = try await post(user: "u2", order: "o1")
        try expect(answer.status == 409, "409 Conflict")
        try await showTables(users: 1, orders: 1)
        show("User u2 was not inserted.")
    }

    /// Kills the coordinator between the decision and the commits.
    ///
    /// It freezes the finishing sessions first, so that the decision is made and no commit can run.
    /// The frozen sessions end before they read what was sent to them.
    func crash(_ replica: ChildReplica) async throws {
        show("\n--- 3. Kill the coordinator (kill -9) between the decision and the commits ---")
        var frozen: [pid_t] = []
        for cluster in sandbox.participants.values {
            try await until("all finishing sessions are open") {
                guard let pids = try await Sandbox.finishers(of: cluster) else { return false }
                frozen += pids
                return true
            }
        }
        for pid in frozen { kill(pid, SIGSTOP) }
        let client = client
        let body = Self.body(user: "u3", order: "o3")
        let request = Task { try? await client.post("/v1/transactions", body) }
        try await until("the decision is durable") {
            let rows = try await Sandbox.rows(
                sandbox.state,
                "SELECT decision FROM tandem.transactions ORDER BY number DESC LIMIT 1")
            return rows.first?[0] == "commit"
        }
        await replica.kill()
        for pid in frozen {
            kill(pid, SIGTERM)
            kill(pid, SIGCONT)
        }
        _ = await request.value
        show("The decision is to commit, the coordinator is dead, and nothing is committed yet:")
        try await showTables(users: 1, orders: 1)
        try expect(await preparedCount() == 2, "one prepared transaction in each database")
        show("Restarting tandem...")
        let start = ContinuousClock.now
        try await sandbox.startReplica(1, port: port, isQuiet: true)
        try await until("no transaction is prepared any more") { try await preparedCount() == 0 }
        show("Recovery committed both branches \(ContinuousClock.now - start) after the restart:")
        try await showTables(users: 2, orders: 2)
    }

    private static func body(user: String, order: String) -> String {
        #"{"branches":[{"participant":"users","statements":[{"sql":"INSERT INTO users (id, name) "#
            + #"VALUES ($1, $2)","parameters":["\#(user)","Ada"],"expectRows":1}]},"#
            + #"{"participant":"orders","statements":[{"sql":"INSERT INTO orders (id, user_id, "#
            + #"amount) VALUES ($1, $2, $3) RETURNING id","#
            + #""parameters":["\#(order)","\#(user)",42.50]}]}]}"#
    }

    private func post(user: String, order: String) async throws -> LoopbackHTTP.Answer {
        let body = Self.body(user: user, order: order)
        show("POST /v1/transactions\n\(body)")
        let answer = try await client.post("/v1/transactions", body)
        show("=> \(answer.status)\n\(answer.body)")
        return answer
    }

    private func showTables(users: Int, orders: Int) async throws {
        for (name, count) in [("users", users), ("orders", orders)] {
            guard let cluster = sandbox.participants[name] else { continue }
            let rows = try await Sandbox.rows(cluster, "SELECT * FROM \(name) ORDER BY id")
            show("Table \(name) of participant \(name):")
            for row in rows { show("  " + row.map { $0 ?? "NULL" }.joined(separator: " | ")) }
            try expect(rows.count == count, "\(count) row(s) in \(name)")
        }
    }

    private func preparedCount() async throws -> Int {
        var count = 0
        for cluster in sandbox.participants.values {
            count += try await Sandbox.rows(cluster, "SELECT gid FROM pg_prepared_xacts").count
        }
        return count
    }

    private func expect(_ condition: Bool, _ what: String) throws {
        guard condition else { throw UnexpectedResult(description: "expected \(what)") }
    }

    /// Polls the databases, as an operator would.
    private func until(_ what: String, _ condition: () async throws -> Bool) async throws {
        for _ in 0..<600 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(25))
        }
        throw UnexpectedResult(description: "expected within 15 s: \(what)")
    }
}
