import CoordinatorAPI
import EventLoop
import PostgresClient
import PostgresClusters
import Testing

@testable import tandem

@Suite("NOTIFY, where a branch is not prepared", .serialized, .timeLimit(.minutes(5)))
struct NotifyEndings {
    @Test("it is sent by the commit of a branch in one phase, of a journal and of a reader")
    func sent() async throws {
        try await onEndingStage(keys: JournalEndings.keys) { stage in
            try await stage.untilAvailable()
            let ears = try await Ears(stage.cluster("users").connectionString())
            let notify = "NOTIFY news, 'of %'"
            let order = Stage.branch("orders", "INSERT INTO orders VALUES ('o1', 'x', 1)")
            func branch(_ name: String, readOnly: Bool = false) -> String {
                Stage.branch(
                    "users", notify.replacing("%", with: name), readOnly: readOnly)
            }
            let bodies = [
                Stage.request([branch("one phase")], onePhase: true),
                Stage.request([branch("a journal")]),
                Stage.request([branch("a reader", readOnly: true), order]),
            ]
            for body in bodies { try #require(try await stage.commits(body)) }
            #expect(await ears.hear(3) == ["of one phase", "of a journal", "of a reader"])
            // Of a branch that is prepared it is refused, before anything is sent.
            let refused = try await stage.post(
                Stage.request([order, Stage.branch("orders", "NOTIFY news")]))
            #expect(refused.status == 422)
            #expect(refused.type == "/problems/unacceptable-sql")
            #expect(refused.body["detail"]?.string?.contains("onePhase") == true)
            for sql in ["LISTEN news", "UNLISTEN news"] {
                let answer = try await stage.post(
                    Stage.request([Stage.branch("users", sql)], onePhase: true))
                #expect(answer.status == 422, "\(sql)")
                #expect(answer.body["detail"]?.string?.contains("session") == true, "\(sql)")
            }
            // What is rolled back is not sent: this one comes after it, and nothing is in between.
            let failing = try await stage.post(
                #"{"onePhase":true,"branches":[{"participant":"users","statements":[{"sql":"#
                    + #""NOTIFY news, 'too early'"},{"sql":"SELECT 1/0"}]}]}"#)
            #expect(failing.status == 409)
            try #require(
                try await stage.commits(Stage.request([branch("the end")], onePhase: true)))
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
            ConnectionOptions(conninfo: conninfo), timeout: .seconds(60))
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
