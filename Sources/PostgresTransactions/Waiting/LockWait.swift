import EventLoop
import PostgresClient
import TransactionEngine

/// A session as its server lists it, and the lock that it waits for.
struct LockProcess: Hashable, Sendable {
    /// The server process.
    let id: Int32
    /// When it started, as in `SessionIdentity`; nil if the server hides it, as it does for other roles.
    let startedAt: String?
    let applicationName: String?
    let role: String?
    /// The statement that it runs, or ran last; cut off where the server cuts it off.
    let query: String
    /// Its transaction; nil if it is in none.
    ///
    /// The server does not use a number again as long as it runs.
    let virtualTransaction: String?
    /// The lock that it waits for; nil if it waits for none.
    let wait: LockWait?
}

/// A session's wait for a lock, and what blocks it.
struct LockWait: Hashable, Sendable {
    /// Distinguishes the wait from all others of the server.
    ///
    /// It names the virtual transaction, which the server does not use again, and the start of the wait.
    let identity: String
    /// When it began, by the server's clock.
    let since: Timestamp
    /// The relation, as `schema.name`, if it waits for one or for a row of one in the database asked.
    let relation: String?
    /// The row's place in the relation, `(page,tuple)`, if it waits for a row.
    let row: String?
    /// Distinguishes the row from all others of the server, whichever database was asked.
    let rowKey: String?
    /// The sessions that hold the lock, or are before this one in the queue for it.
    let blockers: [Int32]
    /// The names of the prepared transactions that hold the lock.
    let gids: [String]
}

/// The waits for locks of one server, and everybody who is part of them.
struct LockListing: Sendable {
    /// The server; nil if none was asked.
    let server: RunningServer?
    let processes: [Int32: LockProcess]
}

/// How a server is asked for waits.
///
/// The lock list is read before the blockers of each wait. So if a wait has the same identity in two
/// readings, it lasted from the first to the second, and the blockers that the first reading found were
/// those of this very wait.
enum LockQuery {
    /// Which of these server processes wait for locks, and what blocks them; and the same of every blocker
    /// that waits itself, in whatever database.
    ///
    /// If none of them waits, the server only reads its process list. For several hundred waiters it takes
    /// tens of milliseconds: each is asked for its blockers once.
    @LoopActor
    static func find(
        _ processIDs: [Int32], on connection: PostgresConnection, timeout: Duration
    ) async throws(PostgresError) -> [Int32: LockProcess] {
        let list = ArrayLiteral.write(processIDs.map { Int64($0) })
        return byID(try await connection.rows(some, [list], timeout: timeout))
    }

    /// All waits of sessions in the connection's database, in the same way.
    @LoopActor
    static func findAll(
        on connection: PostgresConnection, timeout: Duration
    ) async throws(PostgresError) -> [Int32: LockProcess] {
        byID(try await connection.rows(all, timeout: timeout))
    }

    private static func byID(_ processes: [LockProcess]) -> [Int32: LockProcess] {
        Dictionary(processes.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Whether a session waits stands in the process list for sessions of our own role.
    private static let some = query(
        """
        SELECT pid FROM pg_catalog.pg_stat_activity
        WHERE pid = ANY ($1::integer[]) AND wait_event_type = 'Lock'
        """)

    /// For sessions of other roles only the lock list says that they wait.
    private static let all = query(
        """
        SELECT DISTINCT l.pid FROM pg_catalog.pg_locks AS l
        JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
        WHERE NOT l.granted AND a.datname = pg_catalog.current_database()
        """)

    /// The processes of all waits that begin with these waiters.
    ///
    /// A prepared transaction blocks as process 0. The lock list shows which one it is: no process holds
    /// the lock, and the same virtual transaction holds the lock on its transaction id. It blocks only if
    /// its lock conflicts with the one that is waited for; others may hold the same one in another mode.
    ///
    /// A session that waits for a row waits for the transaction that changed it, and meanwhile holds the
    /// lock that shows the row; those after it in the queue wait for that lock.
    private static func query(_ waiters: String) -> Query<LockProcess> {
        Query(
            """
            WITH RECURSIVE late AS MATERIALIZED (\(waiters)),
            locks AS MATERIALIZED (
                SELECT *, \(tag) AS tag
                FROM pg_catalog.pg_locks WHERE EXISTS (SELECT FROM late)),
            queued AS MATERIALIZED (
                SELECT * FROM locks WHERE NOT granted AND waitstart IS NOT NULL),
            edges (pid, blocker) AS (
                SELECT q.pid, b.pid
                FROM late JOIN queued AS q ON q.pid = late.pid
                CROSS JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(q.pid)) AS b(pid)
                UNION
                SELECT q.pid, b.pid
                FROM (SELECT DISTINCT blocker AS pid FROM edges) AS e
                JOIN queued AS q ON q.pid = e.pid
                CROSS JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(q.pid)) AS b(pid)
                WHERE NOT EXISTS (SELECT FROM late WHERE late.pid = q.pid)),
            blocked AS MATERIALIZED (
                SELECT pid, array_agg(blocker) FILTER (WHERE blocker <> 0) AS blockers,
                    bool_or(blocker = 0) AS waits_for_prepared
                FROM edges GROUP BY pid),
            conflicts (mode, others) AS (VALUES \(conflicts)),
            prepared AS MATERIALIZED (
                SELECT q.pid, array_agg(DISTINCT x.gid) AS gids
                FROM blocked AS b JOIN queued AS q ON q.pid = b.pid AND b.waits_for_prepared
                JOIN conflicts AS c ON c.mode = q.mode
                JOIN locks AS held ON held.granted AND held.pid IS NULL AND held.tag = q.tag
                    AND held.mode = ANY (c.others)
                JOIN locks AS own ON own.granted AND own.pid IS NULL
                    AND own.locktype = 'transactionid'
                    AND own.virtualtransaction = held.virtualtransaction
                JOIN pg_catalog.pg_prepared_xacts AS x ON x.transaction = own.transactionid
                GROUP BY q.pid)
            SELECT p.pid, (extract(epoch FROM a.backend_start) * 1000000)::bigint,
                a.application_name, a.usename, a.query,
                (SELECT l.virtualtransaction FROM locks AS l WHERE l.pid = p.pid LIMIT 1),
                (extract(epoch FROM q.waitstart) * 1000000)::bigint,
                quote_ident(n.nspname) || '.' || quote_ident(c.relname),
                '(' || coalesce(r.page, q.page) || ',' || coalesce(r.tuple, q.tuple) || ')',
                coalesce(r.database, q.database) || ' ' || coalesce(r.relation, q.relation) || ' '
                    || coalesce(r.page, q.page) || ' ' || coalesce(r.tuple, q.tuple),
                b.blockers, x.gids
            FROM (SELECT pid FROM edges UNION SELECT blocker FROM edges WHERE blocker <> 0) AS p
            LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = p.pid
            LEFT JOIN blocked AS b ON b.pid = p.pid
            LEFT JOIN queued AS q ON q.pid = b.pid
            LEFT JOIN prepared AS x ON x.pid = b.pid
            LEFT JOIN LATERAL (
                SELECT * FROM locks AS l WHERE l.pid = q.pid AND l.locktype = 'tuple'
                    AND q.locktype = 'transactionid' LIMIT 1) AS r ON true
            LEFT JOIN pg_catalog.pg_class AS c ON c.oid = coalesce(r.relation, q.relation)
                AND coalesce(r.database, q.database) IN (0, (SELECT d.oid
                    FROM pg_catalog.pg_database AS d WHERE datname = current_database()))
            LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            """, read: process)
    }

    /// What a row of `pg_locks` is a lock on.
    static let tag = """
        ROW(locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid,
            objsubid)::text
        """

    /// For each mode of a lock, those that it conflicts with: PostgreSQL's table of lock modes.
    static let conflicts = {
        let modes = [
            "AccessShare", "RowShare", "RowExclusive", "ShareUpdateExclusive", "Share",
            "ShareRowExclusive", "Exclusive", "AccessExclusive",
        ]
        let matrix = [
            "       x", "      xx", "    xxxx", "   xxxxx", "  xx xxx", "  xxxxxx", " xxxxxxx",
            "xxxxxxxx",
        ]
        return zip(modes, matrix).map { mode, marks in
            let others = zip(modes, marks).filter { $1 == "x" }.map { "\($0.0)Lock" }
            return "('\(mode)Lock', '{\(others.joined(separator: ","))}'::text[])"
        }.joined(separator: ", ")
    }()

    private static func process(_ row: inout RowReader) -> LockProcess? {
        let id: Int32? = row.value()
        let (startedAt, application, role) = (row.text(), row.text(), row.text())
        let (query, transaction) = (row.text() ?? "", row.text())
        let wait = wait(&row, of: transaction ?? "")
        guard let id else { return nil }
        return LockProcess(
            id: id, startedAt: startedAt, applicationName: application, role: role, query: query,
            virtualTransaction: transaction, wait: wait)
    }

    private static func wait(_ row: inout RowReader, of transaction: String) -> LockWait? {
        let since: Timestamp? = row.value()
        let (relation, place, key) = (row.text(), row.text(), row.text())
        let blockers = (row.list() ?? []).compactMap { $0.flatMap { Int32($0) } }
        let gids = (row.list() ?? []).compactMap { $0 }
        guard let since else { return nil }
        return LockWait(
            identity: "\(transaction) \(since)", since: since, relation: relation, row: place,
            rowKey: key, blockers: blockers, gids: gids)
    }
}
