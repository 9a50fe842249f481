import CoordinatorAPI
import Testing

@testable import tandem

@Suite("Deferred triggers and roles")
struct DeferredTriggerRoleTests {
    private static let tables = [
        "CREATE ROLE clerk",
        "CREATE TABLE notes (id text)", "CREATE TABLE seen (id text, who text)",
        "GRANT ALL ON notes, seen TO clerk",
        """
        CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN INSERT INTO seen VALUES (NEW.id, current_user); RETURN NULL; END$$
        """,
        """
        CREATE CONSTRAINT TRIGGER see AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION see()
        """,
    ]

    /// Before PostgreSQL 18 a deferred trigger runs as the role of the moment, and since then as the
    /// role that queued it.
    ///
    /// Either way it is the caller's role, and not the one to which the session is reset before
    /// PREPARE; and the role that prepared the branch can finish it.
    @Test("they run before the role is reset, as PostgreSQL's own COMMIT would run them")
    func role() async throws {
        try await withCommitModes { testbed in
            try await testbed.asStranger("users", Self.tables)
            let login = try await testbed.value("users", "SELECT current_user")
            let keepsRole = ["SET ROLE clerk", "INSERT INTO notes VALUES ('kept')"]
            let resetsRole = ["SET ROLE clerk", "INSERT INTO notes VALUES ('reset')", "RESET ROLE"]
            for work in [keepsRole, resetsRole] {
                let statements = work.map { #"{"sql":"\#($0)"}"# }.joined(separator: ",")
                #expect(
                    try await testbed.commits(
                        #"{"branches":[{"participant":"users","statements":[\#(statements)]},"#
                            + Testbed.branch("orders", "SELECT 1") + "]}"))
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
            let kept = try await testbed.value("users", "SELECT who FROM seen WHERE id = 'kept'")
            #expect(kept == "clerk")
            let reset = try await testbed.value("users", "SELECT who FROM seen WHERE id = 'reset'")
            #expect(reset == (try await ServerVersion.isAtLeast(18) ? "clerk" : login))
        }
    }
}
