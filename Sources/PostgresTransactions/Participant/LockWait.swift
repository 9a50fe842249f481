import EventLoop
import PostgresClient

/// A session that waits for a lock, and who stands in its way.
struct LockWait: Hashable, Sendable {
    /// Somebody who holds the lock, or will have it earlier.
    struct Blocker: Hashable, Sendable {
        /// The server process; nil if a prepared transaction holds the lock.
        let processID: Int32?
        /// What a server process runs, or ran last.
        let query: String
        /// The name of the prepared transaction.
        let gid: String?
    }

    /// The statement that waits, cut off where the server cuts it off.
    let query: String
    let blockers: [Blocker]

    /// Which of these server processes wait for a lock, and for whom.
    ///
    /// Where nobody waits this costs the server a look at its processes; its locks are looked at only
    /// for those who wait. Sessions of other roles show no statement.
    @LoopActor
    static func find(
        _ processIDs: [Int32], on connection: PostgresConnection, timeout: Duration
    ) async throws(PostgresError) -> [Int32: LockWait] {
        let rows = try await connection.query(
            Self.question, [ArrayLiteral.write(processIDs.map { Int64($0) })], timeout: timeout)
        var found: [Int32: LockWait] = [:]
        for row in 0..<rows.rowCount {
            guard let waiter = rows.text(row: row, column: 0).flatMap(Int32.init) else { continue }
            let blocker = Blocker(
                processID: rows.text(row: row, column: 2).flatMap(Int32.init),
                query: rows.text(row: row, column: 3) ?? "",
                gid: rows.text(row: row, column: 4))
            found[waiter] = LockWait(
                query: rows.text(row: row, column: 1) ?? "",
                blockers: (found[waiter]?.blockers ?? []) + [blocker])
        }
        return found
    }

    /// Asks for sessions and, with their names, for prepared transactions, which block as process 0.
    ///
    /// Which one it is the lock tells: it is held by nobody's process, and by the same virtual
    /// transaction as the lock on its transaction id.
    private static let question = """
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
}

/// What a gid says of the branch that it names; names with a log and without are alike in it.
struct BranchName: Hashable {
    /// What all branches of the transaction share.
    let transaction: Substring
    let branch: Int

    /// Reads a name of this program's; of others it makes something, or nothing, that is no branch's.
    init?(_ gid: String) {
        guard let colon = gid.lastIndex(of: ":"),
            let branch = Int(gid[gid.index(after: colon)...].prefix { $0 != "." })
        else { return nil }
        transaction = gid[..<colon]
        self.branch = branch
    }
}
