import EventLoop
import PostgresClient

/// A session's wait for a lock, and what blocks it.
struct LockWait: Hashable, Sendable {
    /// A session or a prepared transaction that holds the lock, or is before this one in the queue for it.
    struct Blocker: Hashable, Sendable {
        /// The server process; nil if a prepared transaction holds the lock.
        let processID: Int32?
        /// The statement that the server process runs, or ran last.
        let query: String
        /// The name of the prepared transaction.
        let gid: String?
    }

    /// The statement that waits, cut off where the server cuts it off.
    let query: String
    let blockers: [Blocker]

    /// Which of these server processes wait for a lock, and what blocks them.
    ///
    /// If none waits, the server only reads its process list; it reads the locks only for those that wait.
    /// Sessions of other roles show no statement.
    @LoopActor
    static func find(
        _ processIDs: [Int32], on connection: PostgresConnection, timeout: Duration
    ) async throws(PostgresError) -> [Int32: LockWait] {
        let rows = try await connection.rows(
            Self.query, [ArrayLiteral.write(processIDs.map { Int64($0) })], timeout: timeout)
        var found: [Int32: LockWait] = [:]
        for (waiter, query, blocker) in rows {
            found[waiter] = LockWait(
                query: query, blockers: (found[waiter]?.blockers ?? []) + [blocker])
        }
        return found
    }

    /// Blocking sessions and, with their names, prepared transactions, which block as process 0.
    ///
    /// The lock shows which prepared transaction it is: no process holds it, and the same virtual
    /// transaction holds the lock on its transaction id.
    private static let query = Query<(waiter: Int32, query: String, blocker: Blocker)>(
        """
        WITH waiting AS MATERIALIZED (
            SELECT pid, query, pg_catalog.pg_blocking_pids(pid) AS blockers
            FROM pg_catalog.pg_stat_activity
            WHERE pid = ANY ($1::integer[]) AND wait_event_type = 'Lock'),
        locks AS MATERIALIZED (
            SELECT * FROM pg_catalog.pg_locks
            WHERE EXISTS (SELECT FROM waiting WHERE 0 = ANY (blockers)))
        SELECT w.pid, w.query, b.pid, a.query, NULL
        FROM waiting AS w CROSS JOIN LATERAL unnest(w.blockers) AS b(pid)
        LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = b.pid
        WHERE b.pid <> 0
        UNION
        SELECT w.pid, w.query, NULL, NULL, x.gid
        FROM waiting AS w
        JOIN locks AS wanted ON wanted.pid = w.pid AND NOT wanted.granted
        JOIN locks AS held ON held.granted AND held.pid IS NULL
            AND held.locktype = wanted.locktype
            AND (held.database, held.relation, held.page, held.tuple, held.virtualxid,
                held.transactionid, held.classid, held.objid, held.objsubid)
                IS NOT DISTINCT FROM
                (wanted.database, wanted.relation, wanted.page, wanted.tuple, wanted.virtualxid,
                wanted.transactionid, wanted.classid, wanted.objid, wanted.objsubid)
        JOIN locks AS own ON own.granted AND own.pid IS NULL AND own.locktype = 'transactionid'
            AND own.virtualtransaction = held.virtualtransaction
        JOIN pg_catalog.pg_prepared_xacts AS x ON x.transaction = own.transactionid
        WHERE 0 = ANY (w.blockers)
        """
    ) { row in
        guard let waiter: Int32 = row.value() else { return nil }
        let query = row.text() ?? ""
        let blocker = Blocker(
            processID: row.value(), query: row.text() ?? "", gid: row.text())
        return (waiter, query, blocker)
    }
}

/// The transaction and the branch that a gid names, with a log or without.
struct BranchName: Hashable {
    /// The part that all branches of the transaction share.
    let transaction: Substring
    let branch: Int

    /// Reads a name of this program; of another it makes nil, or something that is no branch's name.
    init?(_ gid: String) {
        guard let colon = gid.lastIndex(of: ":"),
            let branch = Int(gid[gid.index(after: colon)...].prefix { $0 != "." })
        else { return nil }
        transaction = gid[..<colon]
        self.branch = branch
    }
}
