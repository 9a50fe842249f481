import AccessControl
import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

/// What principals see of each other, and how a replica takes a changed access file.
@Suite struct AccessTests {
    @Test("a list, a key and a queue show a principal its own transactions alone")
    func listsAreOfOwnTransactions() async throws {
        try await withAccess { testbed, scene in
            // The same key is another one for another principal.
            let own = try await testbed.begin(as: .run, of: scene, key: "k1")
            let other = try await testbed.begin(as: .other, of: scene, key: "k1")
            #expect(own != other)
            #expect(try await testbed.begin(as: .run, of: scene, key: "k1") == own)
            func ids(_ role: AccessScene.Role, _ query: String = "") async throws -> [String] {
                let answer = try await testbed.ask(
                    "GET /v1/transactions\(query)", as: role, of: scene)
                guard case .array(let found)? = answer.body["transactions"] else { return [] }
                return found.compactMap { $0["id"]?.string }
            }
            let byKey = "?idempotencyKey=k1"
            for query in ["", byKey, "?participant=users", "?limit=50&order=oldest"] {
                #expect(try await ids(.run, query) == [own], "\(query)")
                #expect(try await ids(.read, query) == [own], "\(query)")
                #expect(try await ids(.other, query) == [other], "\(query)")
                #expect(Set(try await ids(.operate, query)) == [own, other], "\(query)")
            }
            for queue in ["running", "inDoubt", "retrying", "needsOperator"] {
                #expect(try await ids(.run, "?queue=\(queue)") == [], "\(queue)")
            }
            let page = try await testbed.ask("GET /transactions", as: .run, of: scene)
            #expect(page.text.contains(own))
            #expect(!page.text.contains(other))
            // The name is recorded, and shown.
            let record = try await testbed.get("/v1/transactions/\(other)")
            #expect(record.body["principal"]?.string == "billing")
        }
    }

    @Test("a refused participant leaves nothing anywhere")
    func refusedParticipantLeavesNothing() async throws {
        try await withAccess { testbed, scene in
            let answer = try await testbed.ask(
                "POST /v1/transactions", as: .run, of: scene,
                fields: ["Content-Type: application/json", "Idempotency-Key: \"k\""],
                body: Testbed.work(in: "users", "orders"))
            #expect(answer.status == 403)
            #expect(answer.body["participant"]?.string == "orders")
            #expect(answer.body["branch"]?.integer == 1)
            #expect(
                try await testbed.value("state", "SELECT count(*) FROM tandem.transactions") == "0")
        }
    }

    @Test("a changed file is taken by itself; one with a fault changes nothing, and is reported")
    func takesChangedFile() async throws {
        try await withAccess { testbed, scene in
            func status(_ role: AccessScene.Role) async throws -> Int {
                try await testbed.ask("GET /v1/transactions", as: role, of: scene).status
            }
            func isRefused() async throws -> Bool {
                try await testbed.client.get("/metrics").body
                    .contains("\ntandem_access_file_refused 1")
            }
            #expect(try await status(.run) == 200)
            try scene.write(scene.text.replacing("name: checkout", with: "name: Checkout"))
            try await testbed.until("the fault is reported") { try await isRefused() }
            #expect(try await status(.run) == 200)
            // Gone is a fault, too.
            try FileManager.default.removeItem(atPath: scene.path)
            #expect(try await status(.run) == 200)
            // Without the entry of `run`, while that of `read` of the same principal stays.
            try scene.write(scene.text.replacing(scene.entry(.run), with: ""))
            try await testbed.until("the token is taken back") { try await status(.run) == 401 }
            #expect(try await status(.read) == 200)
            #expect(try await !isRefused())
            try scene.write(scene.text)
            try await testbed.until("the token is back") { try await status(.run) == 200 }
            let log = testbed.log(of: 1)
            #expect(log.contains("the access file has a fault"))
            #expect(log.contains("principals.1.name"))
            #expect(log.contains("took the access file"))
        }
    }

    @Test("SIGHUP has the file read at once, and ends nothing")
    func readsAtSignal() async throws {
        let scene = try AccessScene()
        try await withTestbed(
            settings: ["access: { file: \(scene.path), reloadMilliseconds: 3600000 }"],
            token: scene.tokens[.operate]
        ) { testbed in
            try scene.write(scene.text.replacing(scene.entry(.run), with: ""))
            testbed.replica.process.send(SIGHUP)
            try await testbed.until("the token is taken back") {
                try await testbed.ask("GET /v1/transactions", as: .run, of: scene).status == 401
            }
            #expect(try await testbed.get("/v1/overview").status == 200)
        }
    }

    @Test("refusals are in the log under a label of their own, and no token is")
    func refusalsAreLogged() async throws {
        try await withAccess(settings: ["log: { repeatSeconds: 3600 }"]) { testbed, scene in
            for role in AccessScene.Role.allCases {
                for byCookie in [false, true] {
                    _ = try await testbed.ask(
                        "GET /v1/overview", as: role, of: scene, byCookie: byCookie)
                }
            }
            let log = testbed.log(of: 1)
            let lines = log.split(separator: "\n").filter { $0.contains("tandem.audit") }
            #expect(lines.contains { $0.contains("token_unknown") && $0.contains("127.0.0.1") })
            #expect(
                lines.contains { $0.contains("scope_missing") && $0.contains("actor=checkout") })
            // Repetitions are left out: nobody can fill the log. Another reason is no repetition.
            for reason in ["token_unknown", "token_expired"] {
                #expect(
                    lines.count {
                        $0.contains("authentication failed") && $0.contains(reason)
                    } == 1, "\(reason)")
            }
            for token in scene.tokens.values { #expect(!log.contains(token)) }
            let metrics = try await testbed.client.get("/metrics").body
            #expect(metrics.contains("tandem_access_refusals_total{reason=\"token_unknown\"} 2"))
            #expect(metrics.contains("tandem_access_refusals_total{reason=\"token_expired\"} 2"))
        }
    }

    @Test("a replica does not start with an access file that has a fault")
    func refusesToStart() async throws {
        let scene = try AccessScene()
        try scene.write("principals: []")
        let output = try await Program.run(
            ["serve"],
            environment: [
                "TANDEM_STATE_CONNINFO": "host=127.0.0.1 port=1 dbname=t",
                "TANDEM_PARTICIPANTS_USERS_CONNINFO": "host=127.0.0.1 port=1 dbname=u",
                "TANDEM_ACCESS_FILE": scene.path, "TANDEM_LISTEN_PORT": "0",
            ])
        #expect(!output.succeeded)
        #expect(output.errors.contains("expected at least one principal"))
    }

    @Test("tandem token create makes a token that the printed lines let in")
    func createsTokens() async throws {
        let made = try await Program.run(["token", "create", "--principal", "ops"])
        let lines = made.output.split(separator: "\n", omittingEmptySubsequences: false)
        let token = try #require(lines.first.map(String.init))
        #expect(Credentials.isToken(token))
        #expect(made.output.ranges(of: token).count == 1)
        let entry = lines.drop { !$0.contains("sha256") }.joined(separator: "\n")
        let scene = try AccessScene()
        try scene.write("principals:\n  - name: ops\n    scopes: [operate]\n    tokens:\n\(entry)")
        let table = try AccessFile.read(scene.path)
        let gate = AccessGate(table: table, wallTime: WallTime.microseconds)
        #expect(try await gate.principal { .token(token) }.name == "ops")
        let narrowed = try await Program.run([
            "token", "create", "--principal", "ops", "--scopes", "transactions:read",
            "--expires-in", "1h", "--json",
        ])
        #expect(narrowed.output.contains("\"scopes\":[\"transactions:read\"]"))
        for wrong in [["--scopes", "all"], ["--expires-in", "never"], ["--expires-in", "400d"]] {
            let refused = try await Program.run(["token", "create", "--principal", "ops"] + wrong)
            #expect(!refused.succeeded)
        }
    }
}
