import CoordinatorAPI
import Testing

@testable import tandem

/// Deferred code may raise every code there is, those of PREPARE's own refusals among them.
@Suite("What deferred code raises is told as such, whatever its code", .serialized)
struct DeferredCodeTests {
    private static let codes = [
        "55000", "53200", "0A000", "P0001", "42710", "42704", "23514", "57014", "57P01", "08006",
        "25P03", "26000", "40001", "55P03",
    ]
    /// The last two are what others have caused, and may not happen again.
    private static let retryable: Set<String> = ["40001", "55P03", "57P01", "53200"]

    /// How the branch in `users` ends.
    enum Ending: String, CaseIterable {
        case prepared, onePhase, journal

        fileprivate var keys: [String: String] {
            self == .journal ? JournalEndings.keys : [:]
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
        "a failure is constraint-at-prepare, with code, hint and context",
        arguments: Ending.allCases)
    func failures(_ ending: Ending) async throws {
        try await onEndingStage(keys: ending.keys) { stage in
            try await stage.asStranger("users", Self.tables)
            if ending == .journal { try await stage.untilAvailable() }
            for later in [false, true] {
                for code in Self.codes {
                    let answer = try await stage.post(
                        Self.body(ending, "('\(code)', \(later))"), key: "\(code) \(later)")
                    let what = "\(code), later: \(later): \(answer.text)"
                    #expect(answer.status == 409, "\(what)")
                    #expect(answer.type == "/problems/constraint-at-prepare", "\(what)")
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
                    try await Self.expectReplay(of: answer, code, later, ending, stage)
                }
            }
            try await stage.expectQuiet(users: 0, orders: 0)
            #expect(try await stage.value("users", "SELECT count(*) FROM notes") == "0")
        }
    }

    /// A repeated key and the status say all that the first answer said.
    private static func expectReplay(
        of answer: Stage.Answer, _ code: String, _ later: Bool, _ ending: Ending, _ stage: Stage
    ) async throws {
        let again = try await stage.post(
            body(ending, "('\(code)', \(later))"), key: "\(code) \(later)")
        #expect(again.text == answer.text)
        let id = try #require(answer.body["transaction"]?.string)
        let status = try await stage.get("/v1/transactions/\(id)")
        #expect(status.body["problem"] == answer.body)
    }

    @Test(
        "a warning with the code of a cancelled wait for a standby does not abort",
        arguments: Ending.allCases)
    func warnings(_ ending: Ending) async throws {
        try await onEndingStage(keys: ending.keys) { stage in
            try await stage.asStranger("users", Self.tables)
            if ending == .journal { try await stage.untilAvailable() }
            for code in ["01000", "57P01"] {
                let body = Self.body(ending, "('\(code)', true, 'warning')")
                #expect(try await stage.commits(body), "\(code)")
            }
            try await stage.expectQuiet(users: 0, orders: ending == .onePhase ? 0 : 2)
            #expect(try await stage.value("users", "SELECT count(*) FROM notes") == "4")
        }
    }

    private static func body(_ ending: Ending, _ row: String) -> String {
        let note = Stage.branch("users", "INSERT INTO notes VALUES \(row)")
        let order = "INSERT INTO orders VALUES (gen_random_uuid()::text, 'y', 1)"
        return ending == .onePhase
            ? Stage.request([note], onePhase: true)
            : Stage.request([note, Stage.branch("orders", order)])
    }
}
