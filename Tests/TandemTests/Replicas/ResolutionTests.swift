import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("Outcomes that nothing proves, and their resolution by an operator", .serialized)
struct ResolutionTests {
    static let quick = [
        "transactions: { recoveryIntervalMilliseconds: 200, scanIntervalMilliseconds: 200, "
            + "orphanGraceSeconds: 1, finishWaitMilliseconds: 1000 }"
    ]

    static func body(_ branch: Int, _ outcome: String, force: Bool = false) -> String {
        #"{"branch":\#(branch),"outcome":"\#(outcome)","actor":"ada","reason":"looked","force":\#(force)}"#
    }

    @Test(
        "42704 with evidence of a rollback by hand: needsOperator; resolved under If-Match, audited for ever"
    )
    func rolledBackByHand() async throws {
        try await withTestbed(settings: Self.quick) { testbed in
            let id = try await testbed.leaveInDoubt("u1", "o1")
            let gid = try await testbed.gid(1)
            _ = try await testbed.cluster("users").psql("ROLLBACK PREPARED '\(gid)'")
            try await testbed.startAgain()
            // The state changes with the first such outcome, while the other branch may be unfinished.
            let status = try await testbed.status(id, "it needs an operator, and has finished") {
                $0["state"]?.string == "needsOperator" && $0["finishedAt"]?.string != nil
            }
            #expect(status["branches"]?[0]?["outcome"]?.string == "heuristicRollback")
            #expect(status["branches"]?[1]?["outcome"]?.string == "committed")
            #expect(status["branches"]?[0]?["evidence"]?["role"]?.string == "postgres")
            let path = "/v1/transactions/\(id)/resolution"
            let tag = "If-Match: " + (try await testbed.entityTag(id))
            let right = Self.body(0, "committed", force: true)
            #expect(try await testbed.post(path, right, fields: []).status == 428)
            #expect(
                try await testbed.post(path, right, fields: ["If-Match: \"old\""]).status == 412)
            // It is proved that it was rolled back.
            let unforced = Self.body(0, "committed")
            #expect(try await testbed.post(path, unforced, fields: [tag]).status == 409)
            // The tag of the line is of the same state: the refusal is not for the condition.
            let contradiction = Self.body(0, "rolledBack")
            let line = "If-Match: " + (try await testbed.entityTag(id, accept: "text/plain"))
            #expect(line != tag)
            #expect(try await testbed.post(path, contradiction, fields: [line]).status == 409)
            let settled = Self.body(1, "committed")
            #expect(try await testbed.post(path, settled, fields: [tag]).status == 409)
            let answer = try await Testbed.answer(testbed.post(path, right, fields: [tag]))
            #expect(answer.status == 200)
            #expect(answer.body["state"]?.string == "committed")
            #expect(answer.body["resolutions"]?[0]?["actor"]?.string == "ada")
            #expect(answer.body["resolutions"]?[0]?["previousState"]?.string == "heuristicRollback")
            // The same tag a second time: it is another version by now.
            #expect(try await testbed.post(path, right, fields: [tag]).status == 412)
            for statement in [
                "DELETE FROM tandem.resolutions", "TRUNCATE tandem.resolutions",
                "UPDATE tandem.resolutions SET actor = 'eve'",
            ] {
                await #expect(throws: (any Error).self) {
                    _ = try await testbed.cluster("state").psql(statement)
                }
            }
            #expect(
                try await testbed.value("state", "SELECT count(*) FROM tandem.resolutions") == "1")
        }
    }

    @Test(
        "pg_xact_status after a failover is not believed: a gid gone on a new timeline is a hazard")
    func goneOnANewTimeline() async throws {
        try await withTestbed(settings: Self.quick) { testbed in
            let id = try await testbed.leaveInDoubt("u1", "o1")
            let gid = try await testbed.gid(1)
            // Committed in fact; but nothing on the new timeline proves it.
            _ = try await testbed.cluster("users").psql("COMMIT PREPARED '\(gid)'")
            try await testbed.cluster("users").becomeStandby()
            try await testbed.cluster("users").promote()
            // The other one comes through the change with its prepared transaction, and is finished.
            try await testbed.cluster("orders").becomeStandby()
            try await testbed.cluster("orders").promote()
            try await testbed.startAgain()
            // The state is recorded as soon as one branch is a hazard; the other may end later.
            let status = try await testbed.status(id, "it needs an operator") {
                $0["state"]?.string == "needsOperator"
                    && $0["branches"]?[1]?["outcome"]?.string != nil
            }
            #expect(status["branches"]?[0]?["outcome"]?.string == "heuristicHazard")
            #expect(status["branches"]?[1]?["outcome"]?.string == "committed")
            // Nothing proves either; what an operator has said is a record like any other.
            for (word, status) in [
                (Self.body(0, "rolledBack"), 200), (Self.body(0, "committed"), 409),
                (Self.body(0, "committed", force: true), 200),
            ] {
                let answer = try await testbed.post(
                    "/v1/transactions/\(id)/resolution", word,
                    fields: ["If-Match: " + (try await testbed.entityTag(id))])
                #expect(answer.status == status, "\(word)")
            }
            let after = try await testbed.get("/v1/transactions/\(id)")
            #expect(after.body["state"]?.string == "committed")
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test(
        "an order that came before states nothing: the outcome waits for an operator all the same")
    func orderStatesNothing() async throws {
        try await withTestbed(settings: Self.quick) { testbed in
            let id = try await testbed.leaveInDoubt("u1", "o1")
            let gid = try await testbed.gid(1)
            _ = try await testbed.cluster("users").psql("ROLLBACK PREPARED '\(gid)'")
            _ = try await testbed.cluster("state").psql(
                "INSERT INTO tandem.resolutions (transaction, branch, action, actor, reason, found, "
                    + "replica, is_order) VALUES ('\(id)', 0, 'committed', 'ada', 'as said', "
                    + "'undecided', 'replica-1', true)")
            try await testbed.startAgain()
            _ = try await testbed.status(id, "it needs an operator, and has finished") {
                $0["state"]?.string == "needsOperator" && $0["finishedAt"]?.string != nil
            }
            let queue = try await testbed.get("/v1/transactions?queue=needsOperator")
            #expect(queue.body["transactions"]?[0]?["id"]?.string == id)
            let tag = "If-Match: " + (try await testbed.entityTag(id))
            let word = Self.body(0, "rolledBack", force: true)
            let path = "/v1/transactions/\(id)/resolution"
            #expect(try await testbed.post(path, word, fields: [tag]).status == 200)
            let after = try await testbed.get("/v1/transactions?queue=needsOperator")
            #expect(after.body["transactions"] == .array([]))
        }
    }

    @Test("a witness row proves the commit on a new timeline, where the status proves nothing")
    func witness() async throws {
        let keys = ["users": "witness: true"]
        try await withTestbed(settings: Self.quick, keys: keys) { testbed in
            let id = try await testbed.leaveInDoubt("u1", "o1")
            let gid = try await testbed.gid(1)
            _ = try await testbed.cluster("users").psql("COMMIT PREPARED '\(gid)'")
            try await testbed.cluster("users").becomeStandby()
            try await testbed.cluster("users").promote()
            try await testbed.startAgain()
            let status = try await testbed.status(id, "it is committed") {
                $0["state"]?.string == "committed"
            }
            #expect(status["branches"]?[0]?["outcome"]?.string == "committed")
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("a standby shows no prepared transactions, and its silence is not believed")
    func standby() async throws {
        try await withTestbed(settings: Self.quick) { testbed in
            let id = try await testbed.leaveInDoubt("u1", "o1")
            try await testbed.cluster("orders").becomeStandby()
            try await testbed.startAgain()
            let status = try await testbed.status(
                id, "the other branch is committed, this one waits"
            ) {
                $0["branches"]?[0]?["outcome"]?.string == "committed"
                    && $0["branches"]?[1]?["lastError"]?.string != nil
            }
            #expect(status["state"]?.string == "committing")
            try await testbed.cluster("orders").promote()
            _ = try await testbed.status(id, "it is committed") {
                $0["state"]?.string == "committed"
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test(
        "a gid without a row from before a timeline's change is reported, not touched, until it is resolved"
    )
    func rowlessFromBefore() async throws {
        try await withTestbed(settings: Self.quick) { testbed in
            await testbed.replica.kill()
            let installation = try await testbed.value(
                "state", "SELECT id FROM tandem.installation")
            let id = "900001-00000000000000ab"
            let gid = "tandem:\(try #require(installation)):\(id):0"
            _ = try await testbed.cluster("users").psql(
                "BEGIN; INSERT INTO users VALUES ('x', 'y'); PREPARE TRANSACTION '\(gid)'")
            try await testbed.cluster("users").becomeStandby()
            try await testbed.cluster("users").promote()
            try await testbed.startAgain()
            try await testbed.until("it is reported") {
                try await testbed.get("/v1/participants/users").body["unresolved"]?[0]?["gid"]?
                    .string
                    == gid
            }
            #expect(
                try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts") == "1")
            let path = "/v1/transactions/\(id)/resolution"
            let commit = Self.body(0, "committed")
            #expect(try await testbed.post(path, commit, fields: ["If-Match: *"]).status == 409)
            let back = Self.body(0, "rolledBack")
            #expect(try await testbed.post(path, back, fields: ["If-Match: *"]).status == 204)
            try await testbed.until("it is rolled back") {
                try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts") == "0"
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
            // One prepared after the change is an orphan like any other.
            let later = gid.replacing("900001", with: "900002")
            _ = try await testbed.cluster("users").psql(
                "BEGIN; INSERT INTO users VALUES ('x', 'y'); PREPARE TRANSACTION '\(later)'")
            try await testbed.until("the later one is rolled back by itself") {
                try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts") == "0"
            }
        }
    }

    @Test("a forced resolution ends a branch that cannot be finished, and is needed only once")
    func forcedBeforeItsEnd() async throws {
        try await withTestbed(settings: Self.quick) { testbed in
            let id = try await testbed.leaveInDoubt("u1", "o1")
            // "orders" is now the server of "users": the branch waits for its own.
            testbed.sandbox.addresses["orders"] = try testbed.cluster("users").connectionString()
            try await testbed.startAgain()
            _ = try await testbed.status(id, "the other branch has ended") {
                $0["branches"]?[0]?["outcome"]?.string == "committed"
                    && $0["branches"]?[1]?["lastError"]?.string != nil
            }
            // The tag changes with each attempt to end the branch.
            try await testbed.until("the word is taken") {
                let tag = "If-Match: " + (try await testbed.entityTag(id))
                let word = Self.body(1, "rolledBack", force: true)
                return try await testbed.post(
                    "/v1/transactions/\(id)/resolution", word, fields: [tag]
                ).status == 200
            }
            let status = try await testbed.status(id, "it has ended") {
                $0["finishedAt"]?.string != nil
            }
            #expect(status["state"]?.string == "needsOperator")
            #expect(status["branches"]?[1]?["outcome"]?.string == "heuristicRollback")
            #expect(
                try await testbed.value(
                    "state",
                    "SELECT count(*) FROM tandem.transactions WHERE needs_operator_since IS NOT NULL"
                )
                    == "0")
            let gid = try await testbed.gid(2)
            _ = try await testbed.cluster("orders").psql("ROLLBACK PREPARED '\(gid)'")
        }
    }

    @Test("changed conninfo while in doubt: the branch waits for its own server, and says so")
    func anotherServer() async throws {
        try await withTestbed(settings: Self.quick) { testbed in
            let id = try await testbed.leaveInDoubt("u1", "o1")
            // "orders" is now the server of "users", which has the tables as well.
            testbed.sandbox.addresses["orders"] = try testbed.cluster("users").connectionString()
            try await testbed.startAgain()
            let status = try await testbed.status(id, "the branch says why it waits") {
                $0["branches"]?[1]?["lastError"]?.string?.contains("another server") == true
            }
            #expect(status["state"]?.string == "committing")
            testbed.sandbox.addresses["orders"] = nil
            try await testbed.startAgain()
            _ = try await testbed.status(id, "it is committed") {
                $0["state"]?.string == "committed"
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
            #expect(
                try await testbed.value(
                    "state", "SELECT count(*) FROM tandem.participants WHERE name = 'orders'")
                    == "2")
        }
    }
}
