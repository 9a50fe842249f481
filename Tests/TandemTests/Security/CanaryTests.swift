import CoordinatorAPI
import EventLoop
import Foundation
import Glibc
import HTTPTypes
import PostgresClusters
import Testing

@testable import tandem

/// Secrets are sent through every path of a replica that logs all it can, and looked for afterwards.
@Suite("Canaries: no secret comes out where it does not belong")
struct CanaryTests {
    /// What must not come out, each with letters that nothing else has.
    private enum Canary: String, CaseIterable {
        case parameter = "canary-parameter-7f3a"
        case row = "canary-row-7f3a"
        case literal = "canary-literal-7f3a"
        case statePassword = "canary-state-password-7f3a"
        case usersPassword = "canary-users-password-7f3a"
        case wrongToken = "canary-wrong-token-7f3a"
        case wrongCookie = "canary-wrong-cookie-7f3a"
        case query = "canary-query-7f3a"
        case webhookAddress = "canary-webhook-address-7f3a"
        case header = "canary-header-7f3a"
    }

    /// The text of a JSON string in SQL.
    private static func statement(
        _ sql: String, _ parameters: String = "[]", timeoutMilliseconds: Int = 2000
    ) -> String {
        #"{"branches":[{"participant":"users","statements":[{"sql":"\#(sql)","parameters":\#(parameters)}]},"#
            + #"{"participant":"orders","statements":[{"sql":"SELECT 1"}]}],"timeoutMilliseconds":\#(timeoutMilliseconds)}"#
    }

    private static let bodies = [
        // A success, with rows.
        statement(
            "INSERT INTO users VALUES ($1, $2) RETURNING id, name",
            #"["\#(Canary.parameter.rawValue)","\#(Canary.row.rawValue)"]"#),
        // The server's message has the value.
        statement(
            "INSERT INTO users VALUES ($1, 'again')", #"["\#(Canary.parameter.rawValue)"]"#),
        statement("SELECT $1::int", #"["\#(Canary.parameter.rawValue)"]"#),
        statement("SELECT '\(Canary.literal.rawValue)'::int"),
        // The deadline is over first.
        statement("SELECT pg_sleep(60), $1::text", #"["\#(Canary.parameter.rawValue)"]"#),
        // Refused before any work.
        statement("COMMIT; SELECT '\(Canary.literal.rawValue)'"),
        #"{"branches":[{"participant":"users","statements":[{"sql":"SELECT 1","parameters":{"a":"\#(Canary.parameter.rawValue)"}}]}]}"#,
        #"{"branches":"\#(Canary.parameter.rawValue)"#,
    ]

    @Test(
        "success, errors, deadlines, refusals and a crash, in logs as text and as JSON",
        arguments: ["text", "json"])
    func nothingComesOut(format: String) async throws {
        try await withReceiver(answering: .internalServerError) { receiver in
            let settings = [
                "log: { level: trace, format: \(format), repeatSeconds: 0 }",
                "transactions: { maximumTimeoutMilliseconds: 600000 }",
                receiver.settings(lostSeconds: 1).replacing(
                    "/hook", with: "/hook/\(Canary.webhookAddress.rawValue)"),
            ]
            try await withAccess(
                settings: settings,
                keys: [
                    "state": "password: \(Canary.statePassword.rawValue)",
                    "users":
                        "password: \(Canary.usersPassword.rawValue), statementTimeoutMilliseconds: 0",
                ]
            ) { testbed, scene in
                try await testbed.untilAvailable()
                var answers: [String] = []
                for (number, body) in Self.bodies.enumerated() {
                    let answer = try await testbed.ask(
                        "POST /v1/transactions", as: .other, of: scene,
                        fields: [
                            "Content-Type: application/json", "Idempotency-Key: \"k-\(number)\"",
                            "X-Secret: \(Canary.header.rawValue)",
                        ], body: body)
                    // The caller sent these values, and may have them back.
                    if number == 0 { #expect(answer.text.contains(Canary.row.rawValue)) }
                }
                answers += try await Self.attacks(testbed, scene)
                // The server dies in the middle of the work, and the webhook has something to say.
                let client = LoopbackHTTP(port: testbed.client.port, token: scene.tokens[.other])
                let last = Self.statement(
                    "SELECT pg_sleep(600), $1::text", #"["\#(Canary.parameter.rawValue)"]"#,
                    timeoutMilliseconds: 600_000)
                let lost = Task { try await client.post("/v1/transactions", last) }
                try await testbed.untilRunning("SELECT pg_sleep(600)", in: "users")
                await (try testbed.cluster("users")).kill()
                _ = try await lost.value
                try await testbed.until("the webhook was tried") { !receiver.rejected.isEmpty }
                answers += try await Self.reads(testbed, scene)
                let pid = testbed.replica.process.processID
                // A crash writes where it was. Swift's handler returns once it has, so that a signal from
                // outside has to come twice.
                try await testbed.until("it has ended") { kill(pid, SIGABRT) != 0 }
                _ = await testbed.replica.process.exitStatus()
                let log = testbed.log(of: 1)
                #expect(log.contains("trace") || log.contains("debug"))
                Self.expectNone(in: log, "log")
                for answer in answers { Self.expectNone(in: answer, String(answer.prefix(80))) }
                for role in AccessScene.Role.allCases {
                    guard let token = scene.tokens[role] else { continue }
                    #expect(!log.contains(token), "\(role)")
                    #expect(!answers.contains { $0.contains(token) }, "\(role)")
                }
                #expect(!log.contains(WebhookReceiver.secret))
            }
        }
    }

    /// Requests that are refused for what they show.
    private static func attacks(
        _ testbed: Testbed, _ scene: AccessScene
    ) async throws -> [String] {
        var answers: [String] = []
        for field in [
            "Authorization: Bearer \(Canary.wrongToken.rawValue)",
            "Authorization: Basic \(Canary.wrongToken.rawValue)",
            "Cookie: tandem_token=\(Canary.wrongCookie.rawValue)",
        ] {
            let answer = try await testbed.client.send(
                "GET /v1/overview HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\(field)\r\n\r\n"
            )
            #expect(answer.status == 401 || answer.status == 400)
            answers.append(answer.head + answer.body)
        }
        let unknown = try await testbed.ask(
            "GET /v1/overview?token=\(Canary.query.rawValue)", as: .operate, of: scene)
        #expect(unknown.status == 400)
        return answers
    }

    /// What operators and other programs of the machine can read.
    private static func reads(
        _ testbed: Testbed, _ scene: AccessScene
    ) async throws -> [String] {
        var answers: [String] = []
        for path in [
            "/metrics", "/v1/overview", "/v1/participants", "/v1/replicas", "/readyz?verbose",
        ] {
            answers.append(try await testbed.ask("GET \(path)", as: .operate, of: scene).text)
        }
        for path in ["/", "/transactions", "/participants/users"] {
            answers.append(
                try await testbed.ask(
                    "GET \(path)", as: .operate, of: scene, fields: ["Accept: text/html"]
                ).text)
        }
        answers.append(try await audit(testbed))
        let arguments = FileManager.default.contents(
            atPath: "/proc/\(testbed.replica.process.processID)/cmdline")
        answers.append(String(decoding: arguments ?? Data(), as: UTF8.self))
        return answers
    }

    private static func audit(_ testbed: Testbed) async throws -> String {
        try await Sandbox.rows(testbed.cluster("state"), "SELECT a::text FROM tandem.audit AS a")
            .map { "\($0)" }.joined()
    }

    private static func expectNone(in text: String, _ place: String) {
        for canary in Canary.allCases {
            if let found = text.firstRange(of: canary.rawValue) {
                let start = text.index(found.lowerBound, offsetBy: -200, limitedBy: text.startIndex)
                Issue.record(
                    "\(canary) is in \(place): \(text[(start ?? text.startIndex)..<found.upperBound])"
                )
            }
        }
    }
}
