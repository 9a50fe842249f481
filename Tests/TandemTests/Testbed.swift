import CoordinatorAPI
import EventLoop
import Foundation
import Glibc
import PostgresClient
import PostgresClusters
import Testing

@testable import tandem

/// Runs a test with databases and a replica process of its own, which are removed at its end.
///
/// `servers` holds settings of PostgreSQL by the server's name, and `command` the program's arguments;
/// `token` is an operator's, which the test's own client shows.
func withTestbed(
    settings: [String] = [], keys: [String: String] = [:],
    servers: [String: [String: String]] = [:], token: String? = nil,
    command: [String] = ["serve"],
    _ body: (Testbed) async throws -> Void
) async throws {
    await Testbeds.enter()
    defer { Task { await Testbeds.leave() } }
    let sandbox = try await Sandbox.start(
        directory: nil, settings: settings, servers: servers)
    sandbox.keys = keys
    sandbox.token = token
    do {
        let replica = try await sandbox.startReplica(1, isQuiet: true, command: command)
        try await body(
            Testbed(
                sandbox: sandbox, client: LoopbackHTTP(port: replica.port, token: token),
                replica: replica))
    } catch {
        await sandbox.stop()
        throw error
    }
    await sandbox.stop()
}

/// Bounds how many testbeds run at once: each is three servers and a replica, and a machine that
/// starts dozens of them together does nothing else for a minute.
private actor Testbeds {
    private static let shared = Testbeds()
    private var free = 4
    private var waiting: [CheckedContinuation<Void, Never>] = []

    static func enter() async { await shared.enter() }
    static func leave() async { await shared.leave() }

    private func enter() async {
        guard free == 0 else { return free -= 1 }
        await withCheckedContinuation { waiting.append($0) }
    }

    private func leave() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}

struct Testbed {
    let sandbox: Sandbox
    let client: LoopbackHTTP
    let replica: ChildReplica

    struct Answer {
        let status: Int
        let head: String
        let body: JSONValue
        let text: String

        var type: String? { body["type"]?.string }

        /// A header field's value, by its name in lower case.
        func field(_ name: String) -> String? {
            for line in head.split(separator: "\r\n") {
                let sides = line.split(separator: ":", maxSplits: 1)
                if sides.count == 2, sides[0].lowercased() == name {
                    return String(sides[1].drop { $0 == " " })
                }
            }
            return nil
        }
    }

    func post(_ body: String, key: String? = nil) async throws -> Answer {
        try Self.answer(await client.post("/v1/transactions", body, key: key))
    }

    /// Whether it is finally committed everywhere; a busy machine may answer 202 first.
    func commits(_ body: String, key: String? = nil) async throws -> Bool {
        let answer = try await post(body, key: key)
        guard answer.status == 202, let id = answer.body["id"]?.string else {
            return answer.status == 201
        }
        try await until("\(id) is committed") {
            try await get("/v1/transactions/\(id)").body["state"]?.string == "committed"
        }
        return true
    }

    func get(_ path: String) async throws -> Answer {
        try Self.answer(await client.get(path))
    }

    static func answer(_ answer: LoopbackHTTP.Answer, isJSON: Bool = true) throws -> Answer {
        Answer(
            status: answer.status, head: answer.head,
            body: isJSON ? try JSONReader.read(Array(answer.body.utf8)) : .null,
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

    /// The example of the documentation: a user in one database, an order in the other.
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

    /// Expects that nothing is prepared, every transaction is finished, and the tables have exactly
    /// these rows.
    func expectQuiet(users: Int, orders: Int) async throws {
        for name in Sandbox.participantNames {
            try await until("nothing is prepared in \(name)") {
                try await value(name, "SELECT count(*) FROM pg_prepared_xacts") == "0"
            }
        }
        #expect(try await value("users", "SELECT count(*) FROM users") == "\(users)")
        #expect(try await value("orders", "SELECT count(*) FROM orders") == "\(orders)")
        try await until("every row is finished") {
            try await value(
                "state", "SELECT count(*) FROM tandem.transactions WHERE finished_at IS NULL")
                == "0"
        }
    }

    /// Polls for what another process does to a database, which offers no event to wait for.
    func until(_ what: String, _ condition: () async throws -> Bool) async throws {
        let limit = ContinuousClock.now + .seconds(300)
        while ContinuousClock.now < limit {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(25))
        }
        Issue.record("not within 300 s: \(what)")
    }

    /// A statement that runs until `go` is called, so that a test need not guess how long it runs.
    static let waiting =
        "DO $$BEGIN WHILE NOT EXISTS (SELECT FROM accounts WHERE id = 'go') "
        + "LOOP PERFORM pg_sleep(0.01); END LOOP; END$$"

    /// Returns when a statement with this text runs in the participant.
    func untilRunning(_ text: String, in name: String) async throws {
        try await until("the work runs") {
            try await value(
                name,
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '\(text)%' "
                    + "AND pid <> pg_backend_pid() AND state = 'active'") == "1"
        }
    }

    /// Lets the statement `waiting` end.
    func go(_ name: String) async throws {
        try await asStranger(name, ["INSERT INTO accounts VALUES ('go', 0)"])
    }

    /// Runs commands in one session of a server, as another program would.
    func asStranger(_ cluster: String, _ commands: [String]) async throws {
        try await Self.run(commands, self.cluster(cluster).connectionString())
    }

    @LoopActor
    private static func run(_ commands: [String], _ conninfo: String) async throws {
        let connection = try await PostgresConnection.connect(
            ConnectionOptions(conninfo: conninfo), timeout: .seconds(30), loop: .shared)
        defer { connection.close() }
        for command in commands { _ = try await connection.query(command) }
    }

    /// Freezes the sessions with which a replica would commit, so that it only decides.
    func freezeFinishers(of name: String, replica: Int = 1) async throws -> [pid_t] {
        var pids: [pid_t] = []
        try await until("all finishing sessions are there") {
            guard let found = try await Sandbox.finishers(of: cluster(name), replica: replica)
            else { return false }
            pids = found
            return true
        }
        for pid in pids { kill(pid, SIGSTOP) }
        return pids
    }
}
