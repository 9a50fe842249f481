import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

@Suite("What a branch may leave in its session: gone when the branch has ended")
struct SessionResidueTests {
    private static let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"

    /// One session, so that it is the next branch's as well.
    private static let one = ["users": "poolSize: 1"]
    private static let journal = ["users": "poolSize: 1, journal: true"]

    @Test("locks are free although no branch follows, however the branch ended")
    func locks() async throws {
        try await withCommitModes(keys: Self.one) { testbed in
            let lock = "SELECT pg_advisory_lock(7)"
            #expect(try await testbed.commits(Testbed.request([Testbed.branch("users", lock)])))
            try await expectNoLock(testbed)
            let read = [Testbed.branch("users", lock, readOnly: true)]
            #expect(try await testbed.commits(Testbed.request(read)))
            try await expectNoLock(testbed)
            #expect(
                try await testbed.commits(
                    Testbed.request([Testbed.branch("users", lock)], onePhase: true)))
            try await expectNoLock(testbed)
            let failing = "SELECT pg_advisory_lock(7), 1 / (pg_advisory_lock(8)::text = 'x')::int"
            #expect(try await testbed.run(failing).status == 409)
            try await expectNoLock(testbed)
            let missed = Testbed.request([Testbed.branch("users", lock, rows: 5)])
            #expect(try await testbed.post(missed).status == 409)
            try await expectNoLock(testbed)
            let broken = [Testbed.branch("users", lock), Testbed.branch("orders", "SELECT 1 / 0")]
            #expect(try await testbed.post(Testbed.request(broken)).status == 409)
            try await expectNoLock(testbed)
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("settings, roles and sequences do not reach the next branch")
    func settings() async throws {
        try await withCommitModes(keys: Self.one) { testbed in
            try await testbed.asStranger("users", ["CREATE SEQUENCE numbers", "CREATE ROLE guest"])
            for onePhase in [false, true] {
                let work =
                    "SELECT nextval('numbers'), set_config('search_path', 'nowhere', false), "
                    + "set_config('role', 'guest', false)"
                #expect(
                    try await testbed.commits(
                        Testbed.request([Testbed.branch("users", work)], onePhase: onePhase)))
                let look = try await testbed.run(
                    "SELECT current_setting('search_path') AS path, current_user AS role")
                let row = look.body["branches"]?[0]?["results"]?[0]?["rows"]?[0]
                #expect(row?["path"]?.string == "\"$user\", public")
                #expect(row?["role"]?.string == "postgres")
                let last = try await testbed.run("SELECT lastval()")
                #expect(last.status == 409)
                #expect(last.body["sqlstate"]?.string == "55000")
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    /// What is deferred to the end runs before the session is cleaned, and not behind it.
    @Test(
        "a deferred trigger leaves nothing either, and may still say no",
        arguments: [Self.one, Self.journal])
    func deferred(keys: [String: String]) async throws {
        try await withCommitModes(keys: keys) { testbed in
            try await testbed.asStranger(
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
                let work = [Testbed.branch("users", "INSERT INTO notes VALUES ('good')")]
                #expect(try await testbed.commits(Testbed.request(work, onePhase: onePhase)))
                try await expectNoLock(testbed)
                let look = try await testbed.run(
                    "SELECT current_setting('search_path') AS path, current_user AS role")
                let row = look.body["branches"]?[0]?["results"]?[0]?["rows"]?[0]
                #expect(row?["path"]?.string == "\"$user\", public")
                #expect(row?["role"]?.string == "postgres")
            }
            let refused = try await testbed.run("INSERT INTO notes VALUES ('bad')")
            #expect(refused.status == 409)
            #expect(refused.body["sqlstate"]?.string == "23514")
            try await expectNoLock(testbed)
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    /// A session that is proved clean before COMMIT is not cleaned behind it.
    @Test("listening, held cursors and temporary tables do not outlive a local COMMIT")
    func kept() async throws {
        try await withCommitModes(keys: Self.journal) { testbed in
            try await testbed.asStranger("users", ["CREATE TABLE notes (note text)"])
            let look = Testbed.branch(
                "users",
                "SELECT (SELECT count(*)::text FROM pg_listening_channels()) AS channels, "
                    + "(SELECT count(*)::text FROM pg_cursors WHERE is_holdable) AS cursors, "
                    + "(to_regclass('left_behind') IS NULL)::text AS gone, "
                    + "pg_backend_pid()::text AS session",
                readOnly: true)
            var sessions: Set<String?> = []
            // What a temporary table leaves is not proved to be gone, so it comes last.
            for sql in [
                "DO $$BEGIN EXECUTE 'LISTEN channel'; END$$",
                "DECLARE kept CURSOR WITH HOLD FOR SELECT 1",
                "CREATE TEMPORARY TABLE left_behind (n int)",
            ] {
                for work in [
                    Testbed.request([Testbed.branch("users", sql)]),
                    Testbed.request([Testbed.branch("users", sql)], onePhase: true),
                    Testbed.request([Testbed.branch("users", sql, readOnly: true)]),
                ] {
                    let answer = try await testbed.post(work)
                    // A transaction that is read only creates no table.
                    #expect([201, 409].contains(answer.status), "\(sql): \(answer.text)")
                    let found = try await testbed.post(Testbed.request([look]))
                    #expect(found.status == 201, "\(found.text)")
                    let row = found.body["branches"]?[0]?["results"]?[0]?["rows"]?[0]
                    #expect(row?["channels"]?.string == "0", "\(sql)")
                    #expect(row?["cursors"]?.string == "0", "\(sql)")
                    #expect(row?["gone"]?.string == "true", "\(sql)")
                    sessions.insert(row?["session"]?.string)
                }
            }
            #expect(sessions.count == 1, "the session was used again")
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("whom a branch made of its session is not whom the next one meets")
    func authorization() async throws {
        try await withCommitModes(keys: Self.one) { testbed in
            try await testbed.asStranger("users", ["CREATE ROLE guest"])
            let work = "SELECT set_config('session_authorization', 'guest', false)"
            #expect(try await testbed.commits(Testbed.request([Testbed.branch("users", work)])))
            let look = try await testbed.run("SELECT session_user AS session, current_user AS role")
            let row = look.body["branches"]?[0]?["results"]?[0]?["rows"]?[0]
            #expect(row?["session"]?.string == "postgres")
            #expect(row?["role"]?.string == "postgres")
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    private func expectNoLock(_ testbed: Testbed) async throws {
        try await testbed.until("no advisory lock stays") {
            try await testbed.value("users", Self.locks) == "0"
        }
    }
}
