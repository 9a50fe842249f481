import CoordinatorAPI
import Foundation
import Testing

@testable import tandem

/// What is written down of what operators do.
@Suite struct AuditTests {
    private static func rows(_ testbed: Testbed) async throws -> [[String?]] {
        try await Sandbox.rows(
            testbed.cluster("state"),
            """
            SELECT actor, action, subject, reason, address, outcome, replica FROM tandem.audit
            ORDER BY number
            """)
    }

    @Test("each action of an operator is a row and a line, whatever became of it")
    func actionsAreRecorded() async throws {
        try await withAccess { testbed, scene in
            let id = try await testbed.begin(as: .run, of: scene)
            try await testbed.until("it is committed") {
                try await testbed.get("/v1/transactions/\(id)").body["state"]?.string
                    == "committed"
            }
            let path = "POST /v1/transactions/\(id)"
            // A principal's own rollback is no operator's.
            #expect(try await testbed.ask("\(path)/rollback", as: .run, of: scene).status == 409)
            #expect(try await testbed.ask("\(path)/retry", as: .run, of: scene).status == 403)
            #expect(try await Self.rows(testbed).isEmpty)
            for action in ["rollback", "retry"] {
                let answer = try await testbed.ask("\(path)/\(action)", as: .operate, of: scene)
                #expect(answer.status == 409)
            }
            let body =
                #"{"branch":0,"outcome":"committed","actor":"ada","reason":"seen\ntandem.audit: x"}"#
            let resolution = try await testbed.ask(
                "\(path)/resolution", as: .admin, of: scene,
                fields: ["Content-Type: application/json", "If-Match: *"], body: body)
            #expect(resolution.status == 409)
            let missing = try await testbed.ask(
                "POST /v1/transactions/none/retry", as: .operate, of: scene)
            #expect(missing.status == 404)
            let reason = "ada: seen\ntandem.audit: x"
            let expected: [[String?]] = [
                ["ops", "rollback", id, nil, "127.0.0.1", "conflict", "replica-1"],
                ["ops", "retry", id, nil, "127.0.0.1", "conflict", "replica-1"],
                ["root", "resolution", "\(id)/0", reason, "127.0.0.1", "conflict", "replica-1"],
                ["ops", "retry", "no transaction", nil, "127.0.0.1", "not-found", "replica-1"],
            ]
            #expect(try await Self.rows(testbed) == expected)
            let lines = testbed.log(of: 1).split(separator: "\n").filter {
                $0.contains("tandem.audit") && $0.contains("an operator acted")
            }
            #expect(lines.count == expected.count)
            for (line, row) in zip(lines, expected) {
                #expect(line.contains("actor=\(row[0] ?? "")"))
                #expect(line.contains("action=\(row[1] ?? "")"))
                #expect(line.contains("subject=\(row[2] ?? "")"))
                #expect(line.contains("outcome=\(row[5] ?? "")"))
            }
            // One line stays one line, whatever the operator wrote.
            #expect(lines[2].contains("reason=ada: seen tandem.audit: x"))
            for token in scene.tokens.values { #expect(!testbed.log(of: 1).contains(token)) }
        }
    }

    @Test("the table takes rows, and gives none up")
    func rowsStay() async throws {
        try await withTestbed { testbed in
            let id = try #require(
                try await testbed.post(Testbed.work(in: "users")).body["id"]?.string)
            let answer = try await testbed.client.post("/v1/transactions/\(id)/retry", "")
            #expect(answer.status == 409)
            for command in [
                "UPDATE tandem.audit SET actor = 'eve'", "DELETE FROM tandem.audit",
                "TRUNCATE tandem.audit",
            ] {
                await #expect(throws: (any Error).self, "\(command)") {
                    try await testbed.asStranger("state", [command])
                }
            }
            let rows = try await Self.rows(testbed)
            #expect(rows.map { $0[0] } == ["anonymous"])
            #expect(rows.map { $0[1] } == ["retry"])
        }
    }
}
