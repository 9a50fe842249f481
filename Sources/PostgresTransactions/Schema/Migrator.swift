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

/// Why the state database cannot be used.
public enum StateDatabaseError: Error, Sendable, CustomStringConvertible {
    /// It does not answer.
    case unreachable(reason: String)
    /// It is a standby.
    case isStandby
    /// It runs with `fsync = off`, so that no decision would be durable.
    case fsyncOff
    /// Its encoding cannot hold every text: one that it refuses would never be recorded.
    case encoding(String)
    /// A later version of tandem has migrated it.
    case newerSchema(found: Int, known: Int)
    /// A migration failed; nothing of it stays.
    case migration(reason: String)
    /// Another process has taken this replica's name.
    case superseded(replica: String)

    /// One sentence for people.
    public var description: String {
        switch self {
        case .unreachable(let reason):
            "the state database cannot be reached: \(reason)"
        case .isStandby:
            "the state database is a standby; tandem needs the primary"
        case .fsyncOff:
            "the state database runs with fsync = off, so no decision would survive a crash; "
                + "turn it on, or set state.allowFsyncOff for throwaway databases"
        case .encoding(let name):
            "the state database's encoding is \(name), which cannot hold every text that callers "
                + "send; make the database anew with ENCODING 'UTF8'"
        case .newerSchema(let found, let known):
            "the state database's schema is at migration \(found), and this tandem knows only "
                + "\(known): run a newer tandem"
        case .migration(let reason):
            "the state database could not be migrated: \(reason)"
        case .superseded(let replica):
            "another process has started as replica \"\(replica)\", or this one was silent for "
                + "longer than its lease and another replica took its work over; this one stops. "
                + "Give every replica a name of its own, and start it again"
        }
    }
}
