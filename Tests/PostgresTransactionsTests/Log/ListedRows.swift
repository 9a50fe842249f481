import EventLoop
import Foundation
import PostgresClient
import TransactionEngine

@testable import PostgresTransactions

/// Rows of `tandem.transactions` in all states, most of them committed, with statistics of them.
enum ListedRows {
    static let count: Int64 = 20_000

    /// Every thousandth row is in one of these ways, by its number's last three digits; all others have
    /// committed, or aborted where the number ends in 50.
    private static let special = [
        // number % 1000, state, decision, decided_at, finished_at, expires_at, delegated, needs operator,
        // resolutions
        "(1, 'preparing', NULL, NULL, NULL, 'infinity', false, NULL, 0)",
        "(2, 'preparing', NULL, NULL, NULL, now() - interval '1 hour', false, NULL, 0)",
        "(3, 'committing', 'commit', now() - interval '1 hour', NULL, 'infinity', false, NULL, 0)",
        "(4, 'needsOperator', 'commit', now(), now(), 'infinity', false, now(), 0)",
        "(5, 'needsOperator', 'commit', now(), now(), 'infinity', false, NULL, 1)",
        // Decided a moment ago, however long the test takes.
        "(6, 'committing', 'commit', now() + interval '1 day', NULL, 'infinity', false, NULL, 0)",
        "(7, 'preparing', NULL, NULL, NULL, 'infinity', true, NULL, 0)",
        "(8, 'aborting', 'abort', now() - interval '1 hour', NULL, 'infinity', false, NULL, 0)",
    ]

    /// The numbers whose last three digits are these.
    static func numbers(_ remainders: Int64...) -> [Int64] {
        (1...count).filter { remainders.contains($0 % 1000) }
    }

    static let rare: Int64 = 4017
    static let digest: [UInt8] = [0xAB, 0xCD]

    /// The microseconds at which a row was accepted.
    static func acceptedAt(_ number: Int64) -> Timestamp { number * 1_000_000 }

    private static let insert = """
        INSERT INTO tandem.transactions (number, salt, principal, key_digest, request_digest,
            isolation, label_names, label_values, owner, epoch, accepted_at, deadline, expires_at,
            participants, gids, state, decision, decided_at, finished_at, delegated,
            needs_operator_since, resolution_count)
        SELECT n, n, 'p' || n % 3, decode(CASE n WHEN \(rare) THEN 'abcd' ELSE md5(n::text) END,
                'hex'), '\\x00', 'readCommitted', '{service}',
            ARRAY[CASE n WHEN \(rare) THEN 'rare' ELSE 'shop' END], 'r', 1,
            timestamptz 'epoch' + n * interval '1 second', now(), coalesce(s.expires_at, 'infinity'),
            ARRAY['users', CASE n WHEN \(rare) THEN 'rare' ELSE 'orders' END], '{a,b}',
            coalesce(s.state, CASE n % 100 WHEN 50 THEN 'aborted' ELSE 'committed' END),
            CASE WHEN s.remainder IS NOT NULL THEN s.decision WHEN n % 100 = 50 THEN 'abort'
                ELSE 'commit' END,
            CASE WHEN s.remainder IS NOT NULL THEN s.decided_at ELSE now() END,
            CASE WHEN s.remainder IS NOT NULL THEN s.finished_at ELSE now() END,
            coalesce(s.delegated, false), s.since, coalesce(s.resolutions, 0)
        FROM generate_series(1, \(count)) AS n
        LEFT JOIN (VALUES \(special.joined(separator: ", "))) AS s (remainder, state, decision,
                decided_at, finished_at, expires_at, delegated, since, resolutions)
            ON s.remainder = n % 1000
        """

    @LoopActor
    static func fill(_ state: StateDatabase) async throws {
        try await state.readers.withConnection(timeout: .seconds(300)) { connection in
            for sql in [insert, "ANALYZE tandem.transactions"] {
                _ = try await connection.query(sql, timeout: .seconds(300))
            }
        }
    }
}

/// What PostgreSQL did to run a statement.
struct ExecutedPlan {
    /// The rows of `tandem.transactions` that it looked at, or whose index entries it did.
    private(set) var examined = 0.0
    private(set) var scans: [String] = []
    private(set) var indexes: Set<String> = []

    /// Runs a statement with the plan that it has whatever its parameters are.
    @LoopActor
    init(of sql: String, _ parameters: [String?], on state: StateDatabase) async throws {
        let text = try await state.readers.withConnection(timeout: .seconds(300)) { connection in
            let values = parameters.map { value in
                value.map { "'\($0.replacing("'", with: "''"))'" } ?? "NULL"
            }
            let list = values.isEmpty ? "" : "(\(values.joined(separator: ", ")))"
            _ = try await connection.query("PREPARE q AS \(sql)", timeout: .seconds(300))
            let result = try await connection.query(
                "EXPLAIN (ANALYZE, TIMING off, FORMAT json) EXECUTE q\(list)",
                timeout: .seconds(300))
            _ = try await connection.query("DEALLOCATE q", timeout: .seconds(300))
            return result.text(row: 0, column: 0) ?? ""
        }
        let plans = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]]
        for plan in plans ?? [] { add(plan["Plan"] as? [String: Any] ?? [:]) }
    }

    private mutating func add(_ node: [String: Any]) {
        if let index = node["Index Name"] as? String { indexes.insert(index) }
        if node["Relation Name"] as? String == "transactions" {
            scans.append(node["Node Type"] as? String ?? "")
            let rows = ["Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck"]
                .reduce(0) { $0 + (node[$1] as? Double ?? 0) }
            examined += rows * (node["Actual Loops"] as? Double ?? 1)
        }
        for child in node["Plans"] as? [[String: Any]] ?? [] { add(child) }
    }
}
