import EventLoop
import Foundation
import PostgresClient
import PostgresClusters
import StatementGate
import Testing

@testable import PostgresTransactions

/// The gate and PostgreSQL on the same texts: what the gate lets through neither begins, ends nor prepares
/// a transaction, is one statement to the server as well, and leaves nothing in the session.
///
/// `TANDEM_GATE_TEXTS` says how many texts, and `TANDEM_GATE_SEED` which: `make gate-differential`.
@Suite("The gate against PostgreSQL", .serialized)
struct GateAgainstServerTests {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    @Test func `what passes the gate leaves the transaction and the session as they were`()
        async throws
    {
        try await PostgresCluster.withTemporary(
            name: "gate", settings: ["fsync": "off", "jit": "off"]
        ) { cluster in
            _ = try await cluster.psql(GateComparison.preparation)
            let count = Self.number("TANDEM_GATE_TEXTS") ?? 4000
            let comparison = try await GateComparison(
                cluster, seed: Self.number("TANDEM_GATE_SEED") ?? 0x7A4D_E305)
            for _ in 0..<count {
                guard let fault = try await comparison.step() else { continue }
                Issue.record("\(fault)")
                break
            }
            let (passed, ran) = await (comparison.passedCount, comparison.ranCount)
            print("gate: \(count) texts, \(passed) passed the gate, \(ran) of them ran")
            // Otherwise the texts are not worth their name.
            #expect(passed * 4 > count && ran * 20 > count)
        }
    }

    /// A comparison that cannot fail is none.
    @Test(arguments: [
        "COMMIT", "ROLLBACK", "END", "ABORT", "ROLLBACK AND CHAIN", "PREPARE TRANSACTION 'x'",
        "PREPARE p AS SELECT 1", "SELECT 1; SELECT 2",
    ])
    func `what the gate refuses is noticed if it is let through`(_ text: String) async throws {
        #expect(throws: StatementRefusal.self) { try StatementGate.inspect(text) }
        try await PostgresCluster.withTemporary(name: "gate") { cluster in
            _ = try await cluster.psql(GateComparison.preparation)
            let comparison = try await GateComparison(cluster, seed: 1)
            #expect(try await comparison.fault(of: text, parameterCount: 0) != nil)
        }
    }
}

/// Runs texts in a session, as a role without other rights, and looks at what they leave.
@LoopActor
final class GateComparison {
    private(set) var passedCount = 0
    private(set) var ranCount = 0
    private var source: GateTexts
    private let options: ConnectionOptions
    private var connection: PostgresConnection

    /// What the texts may use.
    nonisolated static let preparation = """
        CREATE ROLE caller LOGIN;
        CREATE ROLE other;
        GRANT other TO caller;
        GRANT CREATE ON SCHEMA public TO caller;
        CREATE TABLE t (a int, b text);
        INSERT INTO t VALUES (1, 'x'), (2, 'y');
        GRANT ALL ON t TO caller;
        CREATE SEQUENCE s;
        GRANT ALL ON s TO caller;
        CREATE PROCEDURE ends() LANGUAGE plpgsql AS $$BEGIN COMMIT; END$$;
        CREATE PROCEDURE undoes() LANGUAGE plpgsql AS $$BEGIN ROLLBACK; END$$;
        CREATE FUNCTION ends_too() RETURNS int LANGUAGE plpgsql AS
            $$BEGIN EXECUTE 'COMMIT'; RETURN 1; END$$;
        """

    init(_ cluster: PostgresCluster, seed: UInt64) async throws {
        source = GateTexts(seed: seed)
        options = try ConnectionOptions(
            conninfo: cluster.connectionString(user: "caller"),
            overriding: ["options": "-c statement_timeout=20000 -c client_min_messages=error"])
        connection = try await Self.connect(options)
    }

    private static func connect(_ options: ConnectionOptions) async throws -> PostgresConnection {
        try await PostgresConnection.connect(options, timeout: .seconds(300), loop: .shared)
    }

    /// Tries the next text; a sentence if the gate let through what it must not.
    func step() async throws -> String? {
        let text = source.next()
        guard let facts = try? StatementGate.inspect(text), facts.parameterCount < 20 else {
            return nil
        }
        passedCount += 1
        return try await fault(of: text, parameterCount: facts.parameterCount)
    }

    /// Runs a text in a transaction; a sentence if it does what only the coordinator may do.
    func fault(of text: String, parameterCount: Int) async throws -> String? {
        if !connection.isOpen { connection = try await Self.connect(options) }
        let limit = Duration.seconds(300)
        let id = Command("SELECT pg_catalog.pg_current_xact_id()::text", cached: false)
        let begun = try await connection.execute(
            [[Command("BEGIN", cached: false), id]], timeout: limit)[0]
        let before = begun.last?.result?.text(row: 0, column: 0)
        let command = Command(
            text, [String?](repeating: nil, count: parameterCount), cached: false)
        let reply = try await connection.execute([[command]], timeout: limit)[0][0]
        guard connection.isOpen else { return nil }
        guard connection.isInTransaction else { return "it ended the transaction: \(text)" }
        switch reply {
        case .completed:
            ranCount += 1
            let now = try await connection.execute([[id]], timeout: limit)[0].last
            guard now?.result?.text(row: 0, column: 0) == before else {
                return "it is another transaction now: \(text)"
            }
        case .failed(let message):
            if message.message.contains("multiple commands") {
                return "PostgreSQL reads several statements: \(text)"
            }
        case .exceeded, .skipped: break
        }
        let end = try await connection.execute(
            [[Command("ROLLBACK", cached: false)]] + WorkPlan.reset.map { [$0] }, timeout: limit)
        guard end[0].last?.result?.tag == "ROLLBACK" else { return "it cannot be undone: \(text)" }
        let residue = try await connection.row(Self.residue, timeout: limit)
        return residue.map { "it left \($0): \(text)" }
    }

    /// What is in the session, or prepared, after the transaction was undone and the session reset.
    private static let residue = Query<String>(
        """
        SELECT nullif(pg_catalog.concat_ws(', ',
            CASE WHEN current_user <> 'caller' OR session_user <> 'caller' THEN 'a role' END,
            (SELECT 'a prepared transaction' FROM pg_catalog.pg_prepared_xacts LIMIT 1),
            (SELECT 'a prepared statement' FROM pg_catalog.pg_prepared_statements
                WHERE from_sql LIMIT 1),
            (SELECT 'a cursor' FROM pg_catalog.pg_cursors WHERE is_holdable LIMIT 1),
            (SELECT 'an advisory lock' FROM pg_catalog.pg_locks
                WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid() LIMIT 1),
            (SELECT 'a channel' FROM pg_catalog.pg_listening_channels() LIMIT 1),
            (SELECT 'a temporary table' FROM pg_catalog.pg_class
                WHERE relnamespace = pg_catalog.pg_my_temp_schema() LIMIT 1),
            (SELECT 'the setting ' || name FROM pg_catalog.pg_settings
                WHERE setting IS DISTINCT FROM reset_val AND context IN ('user', 'superuser')
                    AND name !~ '^(transaction|tcp)_' LIMIT 1)), '')
        """
    ) { $0.text() }
}
