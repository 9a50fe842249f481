import EventLoop
import PostgresClient
package import TransactionEngine

/// How a server is asked for everything that is prepared there, with its locks and whom they block.
///
/// It is one query, and so one moment but for `pg_locks`, which the server reads a partition at a time.
/// Every role may read these lists. Without a prepared transaction the lock list is not read at all.
enum PreparedQuery {
    /// How many prepared transactions are listed, those with the oldest ids first.
    static let listedMax = 500
    /// How many locks, and how many blocked sessions, are listed of each.
    static let detailsMax = 16

    /// A prepared transaction as listed, and how many there are.
    struct Found {
        let gid: String
        let count: Int
        /// Its transaction id without the epoch, and the server's next one.
        let shortID: UInt32
        let nextID: UInt64
        let idAge: Int
        let role: String
        let database: String
        let preparedAt: Timestamp
        let ageSeconds: Double
        let locks: [PreparedInventory.HeldLock]
        let lockCount: Int
        let blocked: [PreparedInventory.BlockedSession]
        let blockedCount: Int
    }

    @LoopActor
    static func find(
        on connection: PostgresConnection, timeout: Duration
    ) async throws(PostgresError) -> [Found] {
        try await connection.rows(query, timeout: timeout)
    }

    /// Each prepared transaction, with its locks and the sessions that wait for it.
    ///
    /// It holds the lock on its transaction id, and its other locks have the same virtual transaction and
    /// no server process. A session waits for it if it waits for a lock that conflicts with one of these;
    /// or for one that such a session holds, as those after the first in the queue for a row do.
    private static let query = Query(
        """
        WITH RECURSIVE prepared AS MATERIALIZED (
            SELECT *, count(*) OVER () AS total, pg_catalog.age(transaction) AS id_age
            FROM pg_catalog.pg_prepared_xacts
            ORDER BY pg_catalog.age(transaction) DESC, gid LIMIT \(listedMax)),
        locks AS MATERIALIZED (
            SELECT *, \(LockQuery.tag) AS tag
            FROM pg_catalog.pg_locks WHERE EXISTS (SELECT FROM prepared)),
        held AS MATERIALIZED (
            SELECT p.gid, l.* FROM prepared AS p
            JOIN locks AS own ON own.locktype = 'transactionid' AND own.granted AND own.pid IS NULL
                AND own.transactionid = p.transaction
            JOIN locks AS l ON l.virtualtransaction = own.virtualtransaction AND l.pid IS NULL
                AND l.granted),
        conflicts (mode, others) AS (VALUES \(LockQuery.conflicts)),
        waiting AS MATERIALIZED (
            SELECT l.*, c.others FROM locks AS l JOIN conflicts AS c ON c.mode = l.mode
            WHERE NOT l.granted AND l.pid IS NOT NULL),
        blocked (gid, pid) AS (
            SELECT h.gid, w.pid FROM held AS h
            JOIN waiting AS w ON w.tag = h.tag AND h.mode = ANY (w.others)
            UNION
            SELECT b.gid, w.pid FROM blocked AS b
            JOIN locks AS h ON h.pid = b.pid AND h.granted
            JOIN waiting AS w ON w.tag = h.tag AND h.mode = ANY (w.others)),
        shown_locks AS (
            SELECT gid, max(total) AS total, array_agg(locktype ORDER BY place) AS types,
                array_agg(name ORDER BY place) AS names, array_agg(mode ORDER BY place) AS modes
            FROM (SELECT h.gid, h.locktype, h.mode,
                    quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
                    count(*) OVER (PARTITION BY h.gid) AS total,
                    row_number() OVER (PARTITION BY h.gid
                        ORDER BY cardinality(m.others) DESC NULLS LAST, c.relkind = 'i', n.nspname,
                            c.relname, h.tag) AS place
                FROM held AS h LEFT JOIN conflicts AS m ON m.mode = h.mode
                LEFT JOIN pg_catalog.pg_class AS c ON c.oid = h.relation
                    AND h.database IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d
                        WHERE d.datname = pg_catalog.current_database()))
                LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                WHERE h.locktype <> 'transactionid') AS h
            WHERE place <= \(detailsMax) GROUP BY gid),
        shown_sessions AS (
            SELECT gid, max(total) AS total, array_agg(pid ORDER BY place) AS pids,
                array_agg(usename::text ORDER BY place) AS roles,
                array_agg(application_name ORDER BY place) AS applications,
                array_agg((extract(epoch FROM since) * 1000000)::bigint ORDER BY place) AS since
            FROM (SELECT b.gid, b.pid, a.usename, a.application_name, w.since,
                    count(*) OVER (PARTITION BY b.gid) AS total,
                    row_number() OVER (PARTITION BY b.gid ORDER BY w.since, b.pid) AS place
                FROM blocked AS b
                LEFT JOIN (SELECT pid, min(waitstart) AS since FROM waiting GROUP BY pid) AS w
                    ON w.pid = b.pid
                LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = b.pid) AS b
            WHERE place <= \(detailsMax) GROUP BY gid)
        SELECT p.gid, p.total, p.transaction,
            pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()), p.id_age, p.owner,
            p.database, (extract(epoch FROM p.prepared) * 1000000)::bigint,
            extract(epoch FROM clock_timestamp() - p.prepared)::double precision,
            l.total, l.types, l.names, l.modes, s.total, s.pids, s.roles, s.applications, s.since
        FROM prepared AS p
        LEFT JOIN shown_locks AS l ON l.gid = p.gid
        LEFT JOIN shown_sessions AS s ON s.gid = p.gid
        ORDER BY p.id_age DESC, p.gid
        """, read: found)

    private static func found(_ row: inout RowReader) -> Found? {
        let gid = row.text()
        let (count, shortID): (Int?, UInt32?) = (row.value(), row.value())
        let (nextID, idAge): (UInt64?, Int?) = (row.value(), row.value())
        // The role that prepared it may be gone by now.
        let (role, database) = (row.text() ?? "", row.text() ?? "")
        let (preparedAt, age): (Timestamp?, Double?) = (row.value(), row.value())
        let (lockCount, locks) = (row.value(as: Int.self) ?? 0, locks(&row))
        let (blockedCount, blocked) = (row.value(as: Int.self) ?? 0, sessions(&row))
        guard let gid, let count, let shortID, let nextID, let idAge, let preparedAt, let age else {
            return nil
        }
        return Found(
            gid: gid, count: count, shortID: shortID, nextID: nextID, idAge: idAge, role: role,
            database: database, preparedAt: preparedAt, ageSeconds: age, locks: locks,
            lockCount: lockCount, blocked: blocked, blockedCount: blockedCount)
    }

    private static func locks(_ row: inout RowReader) -> [PreparedInventory.HeldLock] {
        let (types, names, modes) = (row.list() ?? [], row.list() ?? [], row.list() ?? [])
        return types.indices.map { index in
            PreparedInventory.HeldLock(
                type: types[index] ?? "", relation: names[index], mode: modes[index] ?? "")
        }
    }

    private static func sessions(_ row: inout RowReader) -> [PreparedInventory.BlockedSession] {
        let (pids, roles) = (row.list() ?? [], row.list() ?? [])
        let (applications, since) = (row.list() ?? [], row.list() ?? [])
        return pids.indices.compactMap { index in
            guard let processID = pids[index].flatMap({ Int32($0) }) else { return nil }
            return PreparedInventory.BlockedSession(
                processID: processID, role: roles[index], applicationName: applications[index],
                waitingSince: since[index].flatMap { Timestamp($0) })
        }
    }
}

extension PostgresParticipants {
    package func inventory(
        of name: String
    ) async throws(ParticipantUnreachable) -> PreparedInventory {
        guard let member = members[name] else {
            return PreparedInventory(entries: [], count: 0)
        }
        do {
            return try await member.inventory()
        } catch {
            throw ParticipantUnreachable("\(error)")
        }
    }
}

extension PostgresParticipant {
    /// Everything that is prepared on the participant's server, in whatever database.
    fileprivate func inventory() async throws -> PreparedInventory {
        let limit = Duration.seconds(5)
        return try await statusReaders.withConnection(timeout: limit) { connection in
            let facts = try self.factsIfOpen(of: connection)
            let safe =
                self.registry.catalog?.safeTransactionID(
                    of: self.options.name, on: facts.systemIdentifier) ?? 0
            let found = try await PreparedQuery.find(on: connection, timeout: limit)
            return PreparedInventory(
                entries: found.map { $0.entry(seenBy: facts, safeTransactionID: safe) },
                count: found.first?.count ?? 0)
        }
    }
}

extension PreparedQuery.Found {
    fileprivate func entry(
        seenBy facts: SessionFacts, safeTransactionID: UInt64
    ) -> PreparedInventory.Entry {
        let id = ListedTransaction.wholeID(shortID, below: nextID)
        return PreparedInventory.Entry(
            gid: gid, transactionID: id, transactionIDAge: idAge, role: role, database: database,
            preparedAt: preparedAt, ageSeconds: ageSeconds,
            claim: .init(role: role, database: database, seenBy: facts),
            isFromBefore: id < safeTransactionID, locks: locks, lockCount: lockCount,
            blocked: blocked, blockedCount: blockedCount)
    }
}

extension PreparedTransaction.Claim {
    /// Whose a prepared transaction with our name is, as a session of these facts sees it.
    init(role: String, database: String, seenBy facts: SessionFacts) {
        self = database != facts.database ? .otherDatabase : role == facts.user ? .ours : .otherRole
    }
}
