import EventLoop
package import PostgresClient

/// Brings schema `tandem` of a state database up to date.
package enum Migrator {
    /// Applies the migrations that are missing, in one transaction under an advisory lock, and
    /// returns their numbers.
    ///
    /// Refuses a schema that is newer than this program, or that another program made.
    package static func migrate(
        _ connection: PostgresConnection
    ) async throws(StateDatabaseError) -> [Int] {
        try await migrate(connection, with: Migration.all)
    }

    /// The same for a program that has these migrations.
    static func migrate(
        _ connection: PostgresConnection, with migrations: [Migration]
    ) async throws(StateDatabaseError) -> [Int] {
        do {
            return try await apply(migrations, on: connection)
        } catch let error as StateDatabaseError {
            throw error
        } catch {
            throw .migration(reason: "\(error)")
        }
    }

    private static let applied = RowFormat { row -> (number: Int, name: String)? in
        let number = row.value("number", as: Int.self)
        let name = row.text("name")
        guard let number, let name else { return nil }
        return (number, name)
    }

    private static let hasTable = Query<Bool>(
        """
        SELECT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = 'tandem' AND c.relname = 'migrations')
        """
    ) { $0.isTrue() }

    private static let creation = [
        "CREATE SCHEMA IF NOT EXISTS tandem",
        """
        CREATE TABLE tandem.migrations (
            number integer PRIMARY KEY, name text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now())
        """,
    ]

    @LoopActor
    private static func apply(
        _ migrations: [Migration], on connection: PostgresConnection
    ) async throws -> [Int] {
        _ = try await connection.query("BEGIN")
        // Any number of our own will do; it serializes replicas that start together.
        _ = try await connection.query("SELECT pg_advisory_xact_lock(7823645901)")
        // A role that may make no schema does not need to, once there is one; IF NOT EXISTS would.
        if try await connection.row(hasTable) != true {
            for statement in creation { _ = try await connection.query(statement) }
        }
        let present = applied.rows(
            of: try await connection.query(
                "SELECT \(applied.columns) FROM tandem.migrations ORDER BY number"))
        if let refusal = refusal(of: present, by: migrations) {
            _ = try await connection.query("ROLLBACK")
            throw refusal
        }
        let missing = migrations.dropFirst(present.count)
        for migration in missing {
            for statement in migration.statements { _ = try await connection.query(statement) }
            _ = try await connection.query(
                "INSERT INTO tandem.migrations (number, name) VALUES ($1, $2)",
                ["\(migration.number)", migration.name])
        }
        _ = try await connection.query("COMMIT")
        return missing.map(\.number)
    }

    /// Why the migrations that are present are not the first ones of this program; nil if they are.
    ///
    /// A migration is written for the schema that those before it leave. So one that is missing
    /// below others cannot be applied late, and after another program's none can be applied.
    private static func refusal(
        of present: [(number: Int, name: String)], by migrations: [Migration]
    ) -> StateDatabaseError? {
        for (applied, known) in zip(present, migrations) {
            guard applied.number == known.number else {
                return .migration(
                    reason: "migration \(applied.number) is applied, and \(known.number) before it "
                        + "is not")
            }
            guard applied.name == known.name else {
                return .migration(
                    reason: "migration \(applied.number) is \"\(applied.name)\" there, and "
                        + "\"\(known.name)\" here: another program made it")
            }
        }
        let newest = migrations.last?.number ?? 0
        if let found = present.last?.number, found > newest {
            return .newerSchema(found: found, known: newest)
        }
        return nil
    }
}
