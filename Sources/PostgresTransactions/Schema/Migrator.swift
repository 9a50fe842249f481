import EventLoop
public import PostgresClient

/// Brings schema `tandem` of a state database up to date.
public enum Migrator {
    /// Applies what is missing, in one transaction under an advisory lock, and answers the numbers
    /// of the migrations applied.
    ///
    /// A schema newer than this program is refused.
    public static func migrate(
        _ connection: PostgresConnection
    ) async throws(StateDatabaseError) -> [Int] {
        do {
            return try await apply(connection)
        } catch let error as StateDatabaseError {
            throw error
        } catch {
            throw .migration(reason: "\(error)")
        }
    }

    @LoopActor
    private static func apply(_ connection: PostgresConnection) async throws -> [Int] {
        _ = try await connection.query("BEGIN")
        // Any number that is ours alone will do; it serializes replicas that start together.
        _ = try await connection.query("SELECT pg_advisory_xact_lock(7823645901)")
        _ = try await connection.query("CREATE SCHEMA IF NOT EXISTS tandem")
        _ = try await connection.query(
            """
            CREATE TABLE IF NOT EXISTS tandem.migrations (
                number integer PRIMARY KEY, name text NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now())
            """)
        let rows = try await connection.query(
            "SELECT number, name FROM tandem.migrations ORDER BY number")
        let present = (0..<rows.rowCount).compactMap { Int(rows.text(row: $0, column: 0) ?? "") }
        let known = Migration.all.map(\.number).max() ?? 0
        if let newest = present.last, newest > known {
            _ = try await connection.query("ROLLBACK")
            throw StateDatabaseError.newerSchema(found: newest, known: known)
        }
        let names = (0..<rows.rowCount).map { rows.text(row: $0, column: 1) ?? "" }
        if let fault = disorder(present, names) {
            _ = try await connection.query("ROLLBACK")
            throw StateDatabaseError.migration(reason: fault)
        }
        var applied: [Int] = []
        for migration in Migration.all where !present.contains(migration.number) {
            for statement in migration.statements { _ = try await connection.query(statement) }
            _ = try await connection.query(
                "INSERT INTO tandem.migrations (number, name) VALUES ($1, $2)",
                ["\(migration.number)", migration.name])
            applied.append(migration.number)
        }
        _ = try await connection.query("COMMIT")
        return applied
    }

    /// Why what is applied is no beginning of what this program knows; nil if it is one.
    ///
    /// A migration is written for the schema that those before it left: one that is missing below
    /// others, or another program's, is not made good for by applying it late.
    private static func disorder(_ numbers: [Int], _ names: [String]) -> String? {
        for (applied, known) in zip(zip(numbers, names), Migration.all) {
            guard applied.0 == known.number else {
                return "migration \(applied.0) is applied, and \(known.number) before it is not"
            }
            guard applied.1 == known.name else {
                return "migration \(applied.0) is \"\(applied.1)\" there, and "
                    + "\"\(known.name)\" here: another program made it"
            }
        }
        return nil
    }
}
