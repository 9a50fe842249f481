import CoordinatorAPI
import EventLoop
import PostgresClient
import PostgresClusters
import Testing

@testable import tandem

@Suite("NOTIFY, where a branch is not prepared", .serialized, .timeLimit(.minutes(20)))
struct NotifyTests {
    @Test("it is sent by the commit of a branch in one phase, of a journal and of a reader")
    func sent() async throws {
        try await withCommitModes(keys: JournalCommitTests.keys) { testbed in
            try await testbed.untilAvailable()
            let ears = try await Ears(testbed.cluster("users").connectionString())
            let notify = "NOTIFY news, 'of %'"
            let order = Testbed.branch("orders", "INSERT INTO orders VALUES ('o1', 'x', 1)")
            func branch(_ name: String, readOnly: Bool = false) -> String {
                Testbed.branch(
                    "users", notify.replacing("%", with: name), readOnly: readOnly)
            }
            let bodies = [
                Testbed.request([branch("one phase")], onePhase: true),
                Testbed.request([branch("a journal")]),
                Testbed.request([branch("a reader", readOnly: true), order]),
            ]
            for body in bodies { try #require(try await testbed.commits(body)) }
            #expect(await ears.hear(3) == ["of one phase", "of a journal", "of a reader"])
            // Of a branch that is prepared it is refused, before anything is sent.
            let refused = try await testbed.post(
                Testbed.request([order, Testbed.branch("orders", "NOTIFY news")]))
            #expect(refused.status == 422)
            #expect(refused.type == "/problems/statement-not-allowed")
            #expect(refused.body["detail"]?.string?.contains("onePhase") == true)
            for sql in ["LISTEN news", "UNLISTEN news"] {
                let answer = try await testbed.post(
                    Testbed.request([Testbed.branch("users", sql)], onePhase: true))
                #expect(answer.status == 422, "\(sql)")
                #expect(answer.body["detail"]?.string?.contains("session") == true, "\(sql)")
            }
            // What is rolled back is not sent: this one comes after it, and nothing is in between.
            let failing = try await testbed.post(
                #"{"onePhase":true,"branches":[{"participant":"users","statements":[{"sql":"#
                    + #""NOTIFY news, 'too early'"},{"sql":"SELECT 1/0"}]}]}"#)
            #expect(failing.status == 409)
            try #require(
                try await testbed.commits(Testbed.request([branch("the end")], onePhase: true)))
            #expect(await ears.hear(1) == ["of the end"])
            await ears.close()
        }
    }
}

/// A session that listens to `news`.
@LoopActor
private final class Ears {
    private let connection: PostgresConnection
    private let payloads: AsyncStream<String>

    init(_ conninfo: String) async throws {
        connection = try await PostgresConnection.connect(
            ConnectionOptions(conninfo: conninfo), timeout: .seconds(300), loop: .shared)
        let (stream, continuation) = AsyncStream<String>.makeStream()
        payloads = stream
        connection.onNotification = { _, payload in continuation.yield(payload) }
        connection.onClose = { _ in continuation.finish() }
        _ = try await connection.query("LISTEN news")
    }

    /// The next payloads.
    func hear(_ count: Int) async -> [String] {
        var heard: [String] = []
        for await payload in payloads {
            heard.append(payload)
            if heard.count == count { break }
        }
        return heard
    }

    func close() { connection.close() }
}
