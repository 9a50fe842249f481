import CoordinatorAPI
import Testing

@testable import tandem

/// Deferred code may raise every code there is, those of PREPARE's own refusals among them.
@Suite("Errors of deferred code are reported as such, whatever their SQLSTATE", .serialized)
struct DeferredCodeTests {
    private static let codes = [
        "55000", "53200", "0A000", "P0001", "42710", "42704", "23514", "57014", "57P01", "08006",
        "25P03", "26000", "40001", "55P03",
    ]
    /// The last two are what others have caused, and may not happen again.
    private static let retryable: Set<String> = ["40001", "55P03", "57P01", "53200"]

    /// How the branch in `users` ends.
    enum CommitMode: String, CaseIterable {
        case prepared, onePhase, journal

        fileprivate var keys: [String: String] {
            self == .journal ? JournalCommitTests.keys : [:]
        }
    }

    /// `late` raises when it runs; `later` defers it once more, so that it runs within PREPARE or
    /// COMMIT itself.
    private static let tables = [
        "CREATE TABLE notes (code text, later boolean, level text DEFAULT 'error')",
        """
        CREATE FUNCTION late_code() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.later THEN
                SET CONSTRAINTS ALL DEFERRED;
                INSERT INTO notes VALUES (NEW.code, false, NEW.level);
            ELSIF NEW.level = 'warning' THEN
                RAISE WARNING USING ERRCODE = NEW.code, MESSAGE = 'it is late';
            ELSE
                RAISE EXCEPTION USING ERRCODE = NEW.code, MESSAGE = 'it is too late',
                    HINT = 'come earlier', DETAIL = 'by an hour';
            END IF;
            RETURN NULL;
        END $$
        """,
        """
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON notes
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late_code()
        """,
    ]

    @Test(
        "a failure is deferred-constraint-failed, with code, hint and context",
        arguments: CommitMode.allCases)
    func failures(_ commitMode: CommitMode) async throws {
        try await withCommitModes(keys: commitMode.keys) { testbed in
            try await testbed.asStranger("users", Self.tables)
            if commitMode == .journal { try await testbed.untilAvailable() }
            for later in [false, true] {
                for code in Self.codes {
                    let answer = try await testbed.post(
                        Self.body(commitMode, "('\(code)', \(later))"), key: "\(code) \(later)")
                    let what = "\(code), later: \(later): \(answer.text)"
                    #expect(answer.status == 409, "\(what)")
                    #expect(answer.type == "/problems/deferred-constraint-failed", "\(what)")
                    #expect(answer.body["outcome"]?.string == "aborted", "\(what)")
                    #expect(answer.body["branch"]?.integer == 0, "\(what)")
                    #expect(answer.body["statement"] == nil, "\(what)")
                    #expect(answer.body["sqlstate"]?.string == code, "\(what)")
                    #expect(
                        answer.body["retryable"] == .bool(Self.retryable.contains(code)), "\(what)")
                    let said = answer.body["postgres"]
                    #expect(said?["hint"]?.string == "come earlier", "\(what)")
                    #expect(said?["detail"]?.string == "by an hour", "\(what)")
                    #expect(
                        said?["context"]?.string?.contains("function late_code() line") == true,
                        "\(what)")
                    try await Self.expectReplay(of: answer, code, later, commitMode, testbed)
                }
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
            #expect(try await testbed.value("users", "SELECT count(*) FROM notes") == "0")
        }
    }

    /// A repeated key and the status say all that the first answer said.
    private static func expectReplay(
        of answer: Testbed.Answer, _ code: String, _ later: Bool, _ commitMode: CommitMode,
        _ testbed: Testbed
    ) async throws {
        let again = try await testbed.post(
            body(commitMode, "('\(code)', \(later))"), key: "\(code) \(later)")
        #expect(again.text == answer.text)
        let id = try #require(answer.body["transaction"]?.string)
        let status = try await testbed.get("/v1/transactions/\(id)")
        #expect(status.body["problem"] == answer.body)
    }

    @Test(
        "a warning with the code of a cancelled wait for a standby does not abort",
        arguments: CommitMode.allCases)
    func warnings(_ commitMode: CommitMode) async throws {
        try await withCommitModes(keys: commitMode.keys) { testbed in
            try await testbed.asStranger("users", Self.tables)
            if commitMode == .journal { try await testbed.untilAvailable() }
            for code in ["01000", "57P01"] {
                let body = Self.body(commitMode, "('\(code)', true, 'warning')")
                #expect(try await testbed.commits(body), "\(code)")
            }
            try await testbed.expectQuiet(users: 0, orders: commitMode == .onePhase ? 0 : 2)
            #expect(try await testbed.value("users", "SELECT count(*) FROM notes") == "4")
        }
    }

    private static func body(_ commitMode: CommitMode, _ row: String) -> String {
        let note = Testbed.branch("users", "INSERT INTO notes VALUES \(row)")
        let order = "INSERT INTO orders VALUES (gen_random_uuid()::text, 'y', 1)"
        return commitMode == .onePhase
            ? Testbed.request([note], onePhase: true)
            : Testbed.request([note, Testbed.branch("orders", order)])
    }
}
