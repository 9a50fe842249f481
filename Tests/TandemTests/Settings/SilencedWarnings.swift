import CoordinatorAPI
import Glibc
import PostgresClusters
import Testing

@testable import tandem

/// I2 where the role, and the caller's own SQL, ask for no warnings.
@Suite(
    "No caller gets a commit that no standby has confirmed, though warnings are silenced",
    .serialized)
struct SilencedWarnings {
    private static let brief = ["transactions: { finishWaitMilliseconds: 1000 }"]
    private static let silence = "SET client_min_messages = 'error'"

    private func withSilencedWarnings(
        keys: [String: String] = [:], settings: [String] = Self.brief,
        _ body: (Testbed) async throws -> Void
    ) async throws {
        try await withCarelessDefaults(settings: settings, keys: keys) { testbed in
            for name in Sandbox.serverNames {
                try await testbed.set(["client_min_messages = 'error'"], in: name)
                try await testbed.setDatabase(["client_min_messages = 'error'"], in: name)
            }
        } _: {
            try await body($0)
        }
    }

    @Test("the decision in the state database: 503 outcome-unknown, and later committed")
    func decision() async throws {
        try await withSilencedWarnings { testbed in
            let client = testbed.client
            let body = Testbed.request([
                Testbed.branch("users", Testbed.waiting),
                Testbed.branch("orders", "INSERT INTO orders VALUES ('o1', 'u1', 1)"),
            ])
            let request = Task {
                try Testbed.answer(await client.post("/v1/transactions", body, key: "k"))
            }
            try await testbed.untilRunning("DO $$BEGIN WHILE", in: "users")
            try await testbed.cluster("state").requireMissingStandby()
            try await testbed.go("users")
            try await testbed.until("the decision is visible, its wait cut short") {
                try await testbed.cutShort(in: "state")
                return try await testbed.newest("decision") == ["commit"]
            }
            let answer = try await request.value
            #expect(answer.status == 503, "\(answer.text)")
            #expect(answer.type == "/problems/outcome-unknown")
            for name in Sandbox.participantNames {
                #expect(
                    try await testbed.value(name, "SELECT count(*) FROM pg_prepared_xacts") == "1")
            }
            try await testbed.cluster("state").requireNoStandby()
            try await testbed.until("it is committed") {
                try await testbed.cutShort(in: "state")
                return try await testbed.newest("state") == ["committed"]
            }
            try await testbed.expectQuiet(users: 0, orders: 1)
        }
    }

    @Test("a PREPARE: no yes vote, also where the branch's own SQL has silenced it")
    func prepare() async throws {
        try await withSilencedWarnings { testbed in
            try await testbed.cluster("users").requireMissingStandby()
            let client = testbed.client
            let body = Self.transaction(onePhase: false)
            let request = Task { try Testbed.answer(await client.post("/v1/transactions", body)) }
            try await testbed.until("the PREPARE waits") {
                try await testbed.waitingForStandby("tandem-work", in: "users")
            }
            try await testbed.cutShort("tandem-work", in: "users")
            // Its ROLLBACK PREPARED waits as well.
            try await testbed.until("nothing is prepared any more") {
                try await testbed.cutShort(in: "users")
                return try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts")
                    == "0"
            }
            let answer = try await request.value
            #expect(answer.status == 409, "\(answer.text)")
            try await testbed.cluster("users").requireNoStandby()
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    private static func transaction(onePhase: Bool) -> String {
        Testbed.request(
            [
                #"{"participant":"users","statements":[{"sql":"\#(silence)"},"#
                    + #"{"sql":"INSERT INTO users VALUES ('u1', 'x')"}]}"#,
                onePhase
                    ? Testbed.branch("orders", "SELECT 1", readOnly: true)
                    : Testbed.branch("orders", "INSERT INTO orders VALUES ('o1', 'u1', 1)"),
            ], onePhase: onePhase)
    }

    @Test(
        "the COMMIT of a commit point: unknown until a later write is through",
        arguments: [true, false])
    func commitPoint(onePhase: Bool) async throws {
        try await withSilencedWarnings(keys: onePhase ? [:] : JournalCommitTests.keys) { testbed in
            let stopped = try await testbed.restarted(failing: "commitLocally.before.0=stop")
            try await stopped.untilAvailable()
            let client = stopped.client
            let body = Self.transaction(onePhase: onePhase)
            let request = Task { try Testbed.answer(await client.post("/v1/transactions", body)) }
            try await stopped.untilStopped()
            try await testbed.cluster("users").requireMissingStandby()
            stopped.replica.process.send(SIGCONT)
            try await testbed.until("the COMMIT waits") {
                try await testbed.waitingForStandby("tandem-work", in: "users")
            }
            try await testbed.cutShort("tandem-work", in: "users")
            let answer = try await request.value
            #expect([202, 503].contains(answer.status), "\(answer.text)")
            #expect(answer.body["state"]?.string != "committed")
            #expect(try await testbed.newest("finished_at IS NULL") == ["t"])
            // It is there, and no caller has been answered.
            #expect(try await testbed.value("users", "SELECT count(*) FROM users") == "1")
            try await testbed.cluster("users").requireNoStandby()
            try await testbed.until("it is committed") {
                try await testbed.cutShort(in: "users")
                return try await testbed.newest("state") == ["committed"]
            }
            try await testbed.expectQuiet(users: 1, orders: onePhase ? 0 : 1)
        }
    }

    /// The decision is durable; but a standby that was promoted now would hold the branch again.
    @Test("a COMMIT PREPARED: not finished until a later write is through")
    func commitPrepared() async throws {
        try await withSilencedWarnings(settings: ResolutionTests.quick) { testbed in
            let id = try await testbed.leaveInDoubt("u1", "o1")
            try await testbed.cluster("orders").requireMissingStandby()
            try await testbed.startAgain()
            try await testbed.until("the COMMIT PREPARED waits") {
                try await testbed.waitingForStandby("tandem-finish", in: "orders")
            }
            try await testbed.cutShort("tandem-finish", in: "orders")
            try await testbed.until("a write of its own waits instead") {
                try await testbed.value(
                    "orders",
                    "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND "
                        + "application_name LIKE 'tandem-finish%' AND query = 'COMMIT'") == "t"
            }
            // The decision may be reported by now, and the commit is seen; its end is not recorded.
            _ = try await testbed.get("/v1/transactions/\(id)")
            #expect(try await testbed.newest("finished_at IS NULL") == ["t"])
            #expect(try await testbed.value("orders", "SELECT count(*) FROM orders") == "1")
            try await testbed.cluster("orders").requireNoStandby()
            try await testbed.until("it is finished") {
                try await testbed.cutShort(in: "orders")
                return try await testbed.newest("state") == ["committed"]
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }
}
