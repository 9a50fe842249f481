import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

@Suite("What a branch may leave in its session: gone when the branch has ended")
struct SessionRemnantTests {
    private static let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"

    /// One session, so that it is the next branch's as well.
    private static let one = ["users": "poolSize: 1"]

    @Test("locks are free although no branch follows, however the branch ended")
    func locks() async throws {
        try await onEndingStage(keys: Self.one) { stage in
            let lock = "SELECT pg_advisory_lock(7)"
            #expect(try await stage.commits(Stage.request([Stage.branch("users", lock)])))
            try await expectNoLock(stage)
            let read = [Stage.branch("users", lock, readOnly: true)]
            #expect(try await stage.commits(Stage.request(read)))
            try await expectNoLock(stage)
            #expect(
                try await stage.commits(
                    Stage.request([Stage.branch("users", lock)], onePhase: true)))
            try await expectNoLock(stage)
            let failing = "SELECT pg_advisory_lock(7), 1 / (pg_advisory_lock(8)::text = 'x')::int"
            #expect(try await stage.run(failing).status == 409)
            try await expectNoLock(stage)
            let missed = Stage.request([Stage.branch("users", lock, rows: 5)])
            #expect(try await stage.post(missed).status == 409)
            try await expectNoLock(stage)
            let broken = [Stage.branch("users", lock), Stage.branch("orders", "SELECT 1 / 0")]
            #expect(try await stage.post(Stage.request(broken)).status == 409)
            try await expectNoLock(stage)
            try await stage.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("settings, roles and sequences do not reach the next branch")
    func settings() async throws {
        try await onEndingStage(keys: Self.one) { stage in
            try await stage.asStranger("users", ["CREATE SEQUENCE numbers", "CREATE ROLE guest"])
            for onePhase in [false, true] {
                let work =
                    "SELECT nextval('numbers'), set_config('search_path', 'nowhere', false), "
                    + "set_config('role', 'guest', false)"
                #expect(
                    try await stage.commits(
                        Stage.request([Stage.branch("users", work)], onePhase: onePhase)))
                let look = try await stage.run(
                    "SELECT current_setting('search_path') AS path, current_user AS role")
                let row = look.body["branches"]?[0]?["statements"]?[0]?["rows"]?[0]
                #expect(row?["path"]?.string == "\"$user\", public")
                #expect(row?["role"]?.string == "postgres")
                let last = try await stage.run("SELECT lastval()")
                #expect(last.status == 409)
                #expect(last.body["sqlstate"]?.string == "55000")
            }
            try await stage.expectQuiet(users: 0, orders: 0)
        }
    }

    /// What is deferred to the end runs before the session is cleaned, and not behind it.
    @Test("a deferred trigger leaves nothing either, and may still say no")
    func deferred() async throws {
        try await onEndingStage(keys: Self.one) { stage in
            try await stage.asStranger(
                "users",
                [
                    "CREATE ROLE guest", "CREATE TABLE notes (note text NOT NULL)",
                    "GRANT ALL ON notes TO guest",
                    """
                    CREATE FUNCTION leave_traces() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN
                        PERFORM pg_advisory_lock(7), set_config('search_path', 'nowhere', false),
                            set_config('role', 'guest', false);
                        IF NEW.note = 'bad' THEN
                            RAISE check_violation USING MESSAGE = 'the note is bad';
                        END IF;
                        RETURN NULL;
                    END $$
                    """,
                    """
                    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON notes
                        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION leave_traces()
                    """,
                ])
            for onePhase in [false, true] {
                let work = [Stage.branch("users", "INSERT INTO notes VALUES ('good')")]
                #expect(try await stage.commits(Stage.request(work, onePhase: onePhase)))
                try await expectNoLock(stage)
                let look = try await stage.run(
                    "SELECT current_setting('search_path') AS path, current_user AS role")
                let row = look.body["branches"]?[0]?["statements"]?[0]?["rows"]?[0]
                #expect(row?["path"]?.string == "\"$user\", public")
                #expect(row?["role"]?.string == "postgres")
            }
            let refused = try await stage.run("INSERT INTO notes VALUES ('bad')")
            #expect(refused.status == 409)
            #expect(refused.body["sqlstate"]?.string == "23514")
            try await expectNoLock(stage)
            try await stage.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("whom a branch made of its session is not whom the next one meets")
    func authorization() async throws {
        try await onEndingStage(keys: Self.one) { stage in
            try await stage.asStranger("users", ["CREATE ROLE guest"])
            let work = "SELECT set_config('session_authorization', 'guest', false)"
            #expect(try await stage.commits(Stage.request([Stage.branch("users", work)])))
            let look = try await stage.run("SELECT session_user AS session, current_user AS role")
            let row = look.body["branches"]?[0]?["statements"]?[0]?["rows"]?[0]
            #expect(row?["session"]?.string == "postgres")
            #expect(row?["role"]?.string == "postgres")
            try await stage.expectQuiet(users: 0, orders: 0)
        }
    }

    private func expectNoLock(_ stage: Stage) async throws {
        try await stage.until("no advisory lock stays") {
            try await stage.value("users", Self.locks) == "0"
        }
    }
}
