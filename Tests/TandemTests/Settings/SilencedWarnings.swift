import CoordinatorAPI
import Glibc
import PostgresClusters
import Testing

@testable import tandem

/// I2 where the role, and the caller's own SQL, ask for no warnings.
@Suite(
    "Nobody is told of a commit that no standby has confirmed, though warnings are silenced",
    .serialized)
struct SilencedWarnings {
    private static let brief = ["transactions: { finishWaitMilliseconds: 1000 }"]
    private static let silence = "SET client_min_messages = 'error'"

    private func onSilentStage(
        keys: [String: String] = [:], settings: [String] = Self.brief,
        _ body: (Stage) async throws -> Void
    ) async throws {
        try await onCarelessStage(settings: settings, keys: keys) { stage in
            for name in Sandbox.serverNames {
                try await stage.set(["client_min_messages = 'error'"], in: name)
                try await stage.setDatabase(["client_min_messages = 'error'"], in: name)
            }
        } _: {
            try await body($0)
        }
    }

    @Test("the decision in the state database: 503 outcome-unknown, and later committed")
    func decision() async throws {
        try await onSilentStage { stage in
            let client = stage.client
            let body = Stage.request([
                Stage.branch("users", Stage.waiting),
                Stage.branch("orders", "INSERT INTO orders VALUES ('o1', 'u1', 1)"),
            ])
            let request = Task {
                try Stage.answer(await client.post("/v1/transactions", body, key: "k"))
            }
            try await stage.untilRunning("DO $$BEGIN WHILE", in: "users")
            try await stage.cluster("state").requireMissingStandby()
            try await stage.go("users")
            try await stage.until("the decision is visible, its wait cut short") {
                try await stage.cutShort(in: "state")
                return try await stage.newest("decision") == ["commit"]
            }
            let answer = try await request.value
            #expect(answer.status == 503, "\(answer.text)")
            #expect(answer.type == "/problems/outcome-unknown")
            for name in Sandbox.participantNames {
                #expect(
                    try await stage.value(name, "SELECT count(*) FROM pg_prepared_xacts") == "1")
            }
            try await stage.cluster("state").requireNoStandby()
            try await stage.until("it is committed") {
                try await stage.cutShort(in: "state")
                return try await stage.newest("state") == ["committed"]
            }
            try await stage.expectQuiet(users: 0, orders: 1)
        }
    }

    @Test("a PREPARE: no yes vote, also where the branch's own SQL has silenced it")
    func prepare() async throws {
        try await onSilentStage { stage in
            try await stage.cluster("users").requireMissingStandby()
            let client = stage.client
            let body = Self.transaction(onePhase: false)
            let request = Task { try Stage.answer(await client.post("/v1/transactions", body)) }
            try await stage.until("the PREPARE waits") {
                try await stage.waitingForStandby("tandem-work", in: "users")
            }
            try await stage.cutShort("tandem-work", in: "users")
            // Its ROLLBACK PREPARED waits as well.
            try await stage.until("nothing is prepared any more") {
                try await stage.cutShort(in: "users")
                return try await stage.value("users", "SELECT count(*) FROM pg_prepared_xacts")
                    == "0"
            }
            let answer = try await request.value
            #expect(answer.status == 409, "\(answer.text)")
            try await stage.cluster("users").requireNoStandby()
            try await stage.expectQuiet(users: 0, orders: 0)
        }
    }

    private static func transaction(onePhase: Bool) -> String {
        Stage.request(
            [
                #"{"participant":"users","statements":[{"sql":"\#(silence)"},"#
                    + #"{"sql":"INSERT INTO users VALUES ('u1', 'x')"}]}"#,
                onePhase
                    ? Stage.branch("orders", "SELECT 1", readOnly: true)
                    : Stage.branch("orders", "INSERT INTO orders VALUES ('o1', 'u1', 1)"),
            ], onePhase: onePhase)
    }

    @Test("a register's COMMIT: unknown until a later write is through", arguments: [true, false])
    func register(onePhase: Bool) async throws {
        try await onSilentStage(keys: onePhase ? [:] : JournalEndings.keys) { stage in
            let stopped = try await stage.restarted(failing: "commitLocally.before.0=stop")
            try await stopped.untilAvailable()
            let client = stopped.client
            let body = Self.transaction(onePhase: onePhase)
            let request = Task { try Stage.answer(await client.post("/v1/transactions", body)) }
            try await stopped.untilStopped()
            try await stage.cluster("users").requireMissingStandby()
            stopped.replica.process.send(SIGCONT)
            try await stage.until("the COMMIT waits") {
                try await stage.waitingForStandby("tandem-work", in: "users")
            }
            try await stage.cutShort("tandem-work", in: "users")
            let answer = try await request.value
            #expect([202, 503].contains(answer.status), "\(answer.text)")
            #expect(answer.body["state"]?.string != "committed")
            #expect(try await stage.newest("finished_at IS NULL") == ["t"])
            // It is there, and nobody has been told.
            #expect(try await stage.value("users", "SELECT count(*) FROM users") == "1")
            try await stage.cluster("users").requireNoStandby()
            try await stage.until("it is committed") {
                try await stage.cutShort(in: "users")
                return try await stage.newest("state") == ["committed"]
            }
            try await stage.expectQuiet(users: 1, orders: onePhase ? 0 : 1)
        }
    }

    /// The decision is durable; but a standby that was promoted now would hold the branch again.
    @Test("a COMMIT PREPARED: not finished until a later write is through")
    func commitPrepared() async throws {
        try await onSilentStage(settings: ResolutionTests.quick) { stage in
            let id = try await stage.leaveInDoubt("u1", "o1")
            try await stage.cluster("orders").requireMissingStandby()
            try await stage.startAgain()
            try await stage.until("the COMMIT PREPARED waits") {
                try await stage.waitingForStandby("tandem-finish", in: "orders")
            }
            try await stage.cutShort("tandem-finish", in: "orders")
            try await stage.until("a write of its own waits instead") {
                try await stage.value(
                    "orders",
                    "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND "
                        + "application_name LIKE 'tandem-finish%' AND query = 'COMMIT'") == "t"
            }
            // The decision may be told by now, and the commit is seen; its end is not recorded.
            _ = try await stage.get("/v1/transactions/\(id)")
            #expect(try await stage.newest("finished_at IS NULL") == ["t"])
            #expect(try await stage.value("orders", "SELECT count(*) FROM orders") == "1")
            try await stage.cluster("orders").requireNoStandby()
            try await stage.until("it is finished") {
                try await stage.cutShort(in: "orders")
                return try await stage.newest("state") == ["committed"]
            }
            try await stage.expectQuiet(users: 1, orders: 1)
        }
    }
}
