import ArgumentParser
import EventLoop
import Foundation
import Glibc
import PostgresClient
import PostgresClusters

/// The command `tandem demo`.
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows a user and an order written atomically into two databases.",
        discussion: """
            It starts three throwaway PostgreSQL servers and a real coordinator process, talks to \
            it over real HTTP, kills it between the decision and the commits, and shows what is \
            in the databases after each act. Exit status 0 only if everything was as promised.
            """)

    func run() async throws {
        say("Starting three throwaway PostgreSQL servers (state, users, orders) and tandem...")
        let settings = ["transactions: { recoveryIntervalMilliseconds: 500 }"]
        let sandbox = try await Sandbox.start(directory: nil, settings: settings)
        do {
            let replica = try await sandbox.startReplica(1, isQuiet: true)
            let stage = Stage(sandbox: sandbox, port: replica.port)
            try await stage.firstAct()
            try await stage.secondAct()
            try await stage.thirdAct(replica)
        } catch {
            await sandbox.stop()
            throw error
        }
        await sandbox.stop()
        say("\nEverything was as promised. Next: `tandem dev` keeps it running for you.")
    }
}

func say(_ text: String) {
    print(text)
    fflush(nil)
}

/// The three acts.
private struct Stage {
    struct Broken: Error, CustomStringConvertible {
        let description: String
    }

    let sandbox: Sandbox
    let port: UInt16

    private var client: LoopbackHTTP { LoopbackHTTP(port: port) }

    func firstAct() async throws {
        say("\n--- 1. A user in one database and an order in the other: both ---")
        let answer = try await post(user: "u1", order: "o1")
        try expect(answer.status == 201, "201 Created")
        try await show(users: 1, orders: 1)
    }

    func secondAct() async throws {
        say("\n--- 2. An order that fails (its id is taken): neither ---")
        let answer = try await post(user: "u2", order: "o1")
        try expect(answer.status == 409, "409 Conflict")
        try await show(users: 1, orders: 1)
        say("No user u2 was left behind.")
    }

    /// The finishing sessions are frozen, so that the decision is made and no commit can run; the
    /// coordinator is killed; the frozen sessions end before they read what was sent to them.
    func thirdAct(_ replica: ChildReplica) async throws {
        say("\n--- 3. kill -9 between the decision and the commits ---")
        var frozen: [pid_t] = []
        for cluster in sandbox.participants.values {
            try await until("all finishing sessions are there") {
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
        say("The decision is commit, the coordinator is dead, and the databases are in doubt:")
        try await show(users: 1, orders: 1)
        try expect(await preparedCount() == 2, "one prepared transaction in each database")
        say("Restarting tandem...")
        let start = ContinuousClock.now
        try await sandbox.startReplica(1, port: port, isQuiet: true)
        try await until("nothing is prepared any more") { try await preparedCount() == 0 }
        say("Finished \(ContinuousClock.now - start) after the restart:")
        try await show(users: 2, orders: 2)
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
        say("POST /v1/transactions\n\(body)")
        let answer = try await client.post("/v1/transactions", body)
        say("=> \(answer.status)\n\(answer.body)")
        return answer
    }

    private func show(users: Int, orders: Int) async throws {
        for (name, count) in [("users", users), ("orders", orders)] {
            guard let cluster = sandbox.participants[name] else { continue }
            let rows = try await Sandbox.rows(cluster, "SELECT * FROM \(name) ORDER BY id")
            say("table \(name) in participant \"\(name)\":")
            for row in rows { say("  " + row.map { $0 ?? "NULL" }.joined(separator: " | ")) }
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

    private func expect(_ isSo: Bool, _ what: String) throws {
        guard isSo else { throw Broken(description: "expected \(what)") }
    }

    /// Polls the databases, as an operator would.
    private func until(_ what: String, _ isSo: () async throws -> Bool) async throws {
        for _ in 0..<600 {
            if try await isSo() { return }
            try await Task.sleep(for: .milliseconds(25))
        }
        throw Broken(description: "expected that \(what) within 15 s")
    }
}
