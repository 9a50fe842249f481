import CoordinatorAPI
import Testing

@testable import tandem

@Suite("A login event trigger has no say in our sessions", .postgres(17))
struct LoginTriggerTests {
    /// What one trigger can leave in a session: settings, a role, a lock, a table before the table.
    private static let trigger = [
        "CREATE ROLE nobody",
        """
        CREATE FUNCTION at_login() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
            CREATE TEMP TABLE users (id text, name text);
            CREATE TEMP TABLE orders (id text, user_id text, amount numeric);
            PERFORM pg_advisory_lock_shared(42), set_config('synchronous_commit', 'off', false),
                set_config('search_path', 'nowhere', false), set_config('role', 'nobody', false),
                set_config('lock_timeout', '1ms', false);
        END $$
        """,
        "CREATE EVENT TRIGGER at_login ON login EXECUTE FUNCTION at_login()",
        "ALTER EVENT TRIGGER at_login ENABLE ALWAYS",
    ]

    private static let look =
        "SELECT current_setting('synchronous_commit') AS synchronous, "
        + "current_setting('search_path') AS path, current_setting('role') AS role, "
        + "current_setting('lock_timeout') AS lock"

    @Test("the first transaction of a session, its end, and the state database work as without it")
    func isUndone() async throws {
        try await withCommitModes(keys: JournalCommitTests.keys) { first in
            await first.replica.stop()
            for server in Sandbox.serverNames { try await first.asStranger(server, Self.trigger) }
            let replica = try await first.sandbox.startReplica(
                1, port: first.client.port, isQuiet: true)
            let testbed = Testbed(sandbox: first.sandbox, client: first.client, replica: replica)
            try await testbed.untilAvailable()
            let seen = try await testbed.post(
                Testbed.request([
                    Testbed.branch("users", "INSERT INTO users VALUES ('a', 'x')"),
                    Testbed.branch("orders", Self.look),
                ]))
            #expect(seen.status == 201, "\(seen.text)")
            let row = seen.body["branches"]?[1]?["results"]?[0]?["rows"]?[0]
            let found = ["synchronous", "path", "role", "lock"].map { row?[$0]?.string }
            #expect(found == ["on", "\"$user\", public", "none", "5s"], "\(seen.text)")
            #expect(try await testbed.commits(Testbed.pair("u1", "o1")))
            #expect(try await testbed.commits(Testbed.journalled("j")))
            for server in Sandbox.serverNames {
                let locks = try await testbed.value(
                    server,
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42")
                #expect(locks == "0", "\(server)")
            }
            try await testbed.expectQuiet(users: 3, orders: 2)
        }
    }
}
