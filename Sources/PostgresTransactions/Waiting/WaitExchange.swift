import CommitProtocol
import EventLoop
import PostgresClient

/// A branch of a transaction that waits, and the session in which it waits or holds locks.
///
/// It stays true for ever: the server gives each virtual transaction of a process a number of its own. So
/// a record that another replica reads late misleads nobody.
struct PublishedSession: Hashable, Sendable {
    let transaction: GlobalTransactionID
    let age: GlobalTransactionID
    let branch: Int
    let process: ServerProcess
    let virtualTransaction: String
}

/// Tells other replicas, in `tandem.waiting_sessions`, for which transactions this one's sessions work,
/// and reads the same of theirs.
///
/// Every replica sees all waits of a server by itself. What it lacks is which transaction, and how old a
/// one, another replica's session works for. Nothing but speed depends on these rows: without them,
/// PostgreSQL's timeouts and the deadlines of the transactions end a deadlock over several replicas.
@LoopActor
final class WaitExchange {
    private let state: StateDatabase
    private var isEmpty = true

    init(_ state: StateDatabase) { self.state = state }

    /// The name of this replica.
    var replica: String { state.replica }

    /// Publishes these sessions, and no others, and returns those of other living replicas.
    ///
    /// It writes only if the table says anything else of this replica: the table is not logged, so a crash
    /// of its server empties it.
    func callAsFunction(_ own: Set<PublishedSession>) async throws -> [PublishedSession] {
        let rows = Self.rows.rows(
            of: try await state.read(
                Self.rows.sql, [state.replica, "\(state.epoch)"]))
        let published = Set(rows.lazy.filter(\.isOwn).map(\.session))
        if published != own { try await publish(own) }
        isEmpty = own.isEmpty
        return rows.filter { !$0.isOwn }.map(\.session)
    }

    /// Removes what is published, if anything is.
    ///
    /// If that fails, the rows mislead nobody, and the next exchange removes them.
    func withdraw() async {
        guard !isEmpty else { return }
        do {
            try await publish([])
            isEmpty = true
        } catch {}
    }

    private struct Row: Sendable {
        let isOwn: Bool
        let session: PublishedSession
    }

    private static let rows = Query<Row>(
        """
        SELECT w.replica = $1 AND w.epoch = $2::bigint, w.transaction, w.age, w.branch,
            w.system_identifier, w.server_started_at, w.process_id, w.virtual_transaction
        FROM tandem.waiting_sessions AS w
        JOIN tandem.replicas AS r ON r.name = w.replica AND r.epoch = w.epoch
            AND \(StateDatabase.isAlive)
        """
    ) { row in
        let isOwn = row.isTrue()
        let transaction = row.text().flatMap { GlobalTransactionID($0) }
        let age = row.text().flatMap { GlobalTransactionID($0) }
        let branch: Int? = row.value()
        let (system, serverStart) = (row.text(), row.text())
        let processID: Int32? = row.value()
        let virtualTransaction = row.text()
        guard let transaction, let age, let branch, let system, let serverStart,
            let processID, let virtualTransaction
        else { return nil }
        return Row(
            isOwn: isOwn,
            session: PublishedSession(
                transaction: transaction, age: age, branch: branch,
                process: ServerProcess(
                    server: RunningServer(systemIdentifier: system, startedAt: serverStart),
                    id: processID),
                virtualTransaction: virtualTransaction))
    }

    /// Replaces this replica's rows, and removes those of incarnations that are over.
    ///
    /// Replicas that remove the same rows at the same time pass over each other's.
    private func publish(_ own: Set<PublishedSession>) async throws {
        let own = Array(own)
        _ = try await state.read(
            """
            WITH present AS (
                SELECT * FROM unnest($3::text[], $4::integer[], $5::text[], $6::text[],
                    $7::text[], $8::integer[], $9::text[]) AS x(system_identifier, process_id,
                    virtual_transaction, transaction, age, branch, server_started_at)),
            removed AS (
                DELETE FROM tandem.waiting_sessions WHERE ctid = ANY (ARRAY(
                    SELECT w.ctid FROM tandem.waiting_sessions AS w
                    WHERE CASE WHEN w.replica = $1 AND w.epoch = $2::bigint
                        THEN NOT EXISTS (SELECT FROM present AS x
                            WHERE x.system_identifier = w.system_identifier
                                AND x.server_started_at = w.server_started_at
                                AND x.process_id = w.process_id
                                AND x.virtual_transaction = w.virtual_transaction)
                        ELSE NOT EXISTS (SELECT FROM tandem.replicas AS r
                            WHERE r.name = w.replica AND r.epoch = w.epoch
                                AND \(StateDatabase.isAlive)) END
                    FOR UPDATE SKIP LOCKED)))
            INSERT INTO tandem.waiting_sessions (replica, epoch, system_identifier, process_id,
                virtual_transaction, transaction, age, branch, server_started_at)
            SELECT $1, $2::bigint, * FROM present ON CONFLICT DO NOTHING
            """,
            [
                state.replica, "\(state.epoch)",
                ArrayLiteral.write(own.map(\.process.server.systemIdentifier)),
                ArrayLiteral.write(own.map { Int64($0.process.id) }),
                ArrayLiteral.write(own.map(\.virtualTransaction)),
                ArrayLiteral.write(own.map { "\($0.transaction)" }),
                ArrayLiteral.write(own.map { "\($0.age)" }),
                ArrayLiteral.write(own.map { Int64($0.branch) }),
                ArrayLiteral.write(own.map(\.process.server.startedAt)),
            ])
    }
}
