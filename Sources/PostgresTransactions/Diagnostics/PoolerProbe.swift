import EventLoop
import PostgresClient

/// Tells whether a pooler between us and the server takes the session away between transactions.
///
/// Sessions are what the fence ends, what settings and prepared statements live in, and what is
/// recorded before it works; a pooler that lends a server's session for one transaction at a time
/// breaks all three. It shows itself to two clients: while the second one is inside a transaction,
/// the first one either meets another backend than before, or one that the second one has too, or
/// waits for it.
enum PoolerProbe {
    private static let question = Command(
        "SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting('tandem.probe', true)",
        cached: false)

    @LoopActor
    static func examine(
        _ connection: PostgresConnection, _ witness: PostgresConnection
    ) async -> Diagnosis.Check {
        let mark = "\(UInt32.random(in: .min ... .max))"
        do {
            let before = try await ask(
                connection,
                Command(
                    "SELECT pg_catalog.pg_backend_pid(), "
                        + "pg_catalog.set_config('tandem.probe', '\(mark)', false)",
                    cached: false))
            _ = try await witness.execute([[Command("BEGIN", cached: false)]], timeout: patience)
            let other = try await ask(witness, question)
            let after = try await ask(connection, question)
            _ = try await witness.execute([[Command("ROLLBACK", cached: false)]], timeout: patience)
            let isStable = before.backend == after.backend && after.mark == mark
            return isStable && other.backend != after.backend && other.mark != mark
                ? .init("session", .ok, "Its sessions are its own from end to end.") : found
        } catch PostgresError.timedOut {
            return silent
        } catch {
            return .init("session", .failing, "Its sessions could not be told apart: \(error).")
        }
    }

    private static let patience = Duration.seconds(3)

    private static let found = Diagnosis.Check(
        "session", .failing,
        "A pooler lends a session for one transaction at a time (PgBouncer: pool_mode = "
            + "transaction). Connect to the server itself, or use session pooling.")

    /// A pooler with one session to lend keeps the other waiting; so may a server that is too busy.
    private static let silent = Diagnosis.Check(
        "session", .failing,
        "While one session was inside a transaction, another got no answer for 3 s. Either a pooler "
            + "lends a session for one transaction at a time (PgBouncer: pool_mode = transaction), "
            + "or the server is that slow. Connect to the server itself, and check again.")

    @LoopActor
    private static func ask(
        _ connection: PostgresConnection, _ command: Command
    ) async throws -> (backend: String?, mark: String?) {
        let replies = try await connection.execute([[command]], timeout: patience)
        switch replies[0][0] {
        case .completed(let result):
            return (result.text(row: 0, column: 0), result.text(row: 0, column: 1))
        case .failed(let message): throw PostgresError.server(message)
        case .exceeded, .skipped: throw PostgresError.closed
        }
    }
}
