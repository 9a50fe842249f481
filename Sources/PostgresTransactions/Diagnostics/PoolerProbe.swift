import EventLoop
import PostgresClient

/// Finds out whether a pooler between us and the server takes the session away between transactions.
///
/// The fence ends sessions, settings and prepared statements belong to sessions, and sessions are recorded
/// before they work: a pooler that lends a server's session for one transaction at a time breaks all
/// three. Two clients can notice it: while the second is inside a transaction, the first one gets another
/// backend than before, or a backend that the second has too, or no answer until the second is done.
enum PoolerProbe {
    private struct Session: Sendable {
        let backend: String?
        /// The value that the first query left in the session.
        let mark: String?
    }

    private static let mark = query("set_config('tandem.probe', gen_random_uuid()::text, false)")
    private static let session = query("current_setting('tandem.probe', true)")

    private static func query(_ mark: String) -> Query<Session> {
        Query("SELECT pg_catalog.pg_backend_pid(), pg_catalog.\(mark)") { row in
            Session(backend: row.text(), mark: row.text())
        }
    }

    @LoopActor
    static func examine(
        _ connection: PostgresConnection, _ other: PostgresConnection, timeout: Duration
    ) async -> Diagnosis.Check {
        func ask(
            _ query: Query<Session>, on connection: PostgresConnection
        ) async throws -> Session {
            // Without a prepared statement, which another backend would not have.
            let result = try await connection.run(
                [query.command().preparedAnew], timeout: timeout)
            guard let session = query.row(of: result) else { throw PostgresError.closed }
            return session
        }
        do {
            let before = try await ask(mark, on: connection)
            _ = try await other.execute([[Command("BEGIN", cached: false)]], timeout: timeout)
            let inside = try await ask(session, on: other)
            let after = try await ask(session, on: connection)
            _ = try await other.execute([[Command("ROLLBACK", cached: false)]], timeout: timeout)
            guard before.backend == after.backend, after.mark == before.mark,
                inside.backend != after.backend, inside.mark != before.mark
            else {
                return .failing(
                    "session",
                    "A pooler lends a session for one transaction at a time (PgBouncer: pool_mode = "
                        + "transaction). Connect to the server itself, or use session pooling.")
            }
            return .ok("session", "Its sessions are its own from end to end.")
        } catch PostgresError.timedOut {
            // A pooler with one session to lend keeps the other client waiting.
            return .failing(
                "session",
                "While one session was inside a transaction, another got no answer for "
                    + "\(timeout / .seconds(1)) s. Either a "
                    + "pooler lends a session for one transaction at a time (PgBouncer: pool_mode = "
                    + "transaction), or the server is that slow. Connect to the server itself, and "
                    + "check again.")
        } catch {
            return .failing("session", "Its sessions could not be distinguished: \(error).")
        }
    }
}
