import EventLoop
import PostgresClient
import TransactionEngine

/// What a server answers about everything that can undo two-phase commit, in one query.
struct HazardReading: Sendable {
    /// The server process that answered.
    var processID: Int32?
    var isFsyncOn = true
    var arePagesWrittenWhole = true
    /// Settings, with their values, that end prepared transactions by their age; nil if there is none.
    var orphanTimeouts: String?
    /// Standbys that receive the write-ahead log, and `synchronous_standby_names`.
    var standbyCount = 0
    var synchronousStandbys = ""
    /// Ids given out since the oldest that is not frozen in some database.
    var transactionIDAge = 0
    var multixactAge = 0
    /// Every transaction id that the server has given so far is below it.
    var nextTransactionID: UInt64 = 0
    /// From these ages on VACUUM leaves all else aside to freeze.
    var failsafeAge = 1_600_000_000
    var multixactFailsafeAge = 1_600_000_000
    /// From this age on the server begins to freeze by itself.
    var freezeAge = 200_000_000
    /// The age, in transaction ids, of the oldest prepared transaction.
    var preparedAge: Int?
    var role = ""
    /// Until the role's password is not valid any more; nil if it stays valid.
    var secondsToExpiry: Int?
    /// The schedulers of jobs that are installed in the database.
    var schedulers: [ScheduledJobs.Scheduler] = []
    /// The database that pg_cron keeps its jobs in, where the role may know it.
    var cronDatabase: String?
    var database = ""

    /// No released PostgreSQL has a setting that ends prepared transactions, but patched ones have, under
    /// such names as `prepared_orphaned_transaction_timeout` and `max_age_prepared_xacts`.
    private static let query = Query<HazardReading>(
        """
        SELECT pg_backend_pid(), current_setting('fsync'), current_setting('full_page_writes'),
            (SELECT string_agg(name || ' = ' || setting || coalesce(' ' || unit, ''), ', '
                    ORDER BY name)
                FROM pg_settings
                WHERE name ~ 'orphan|prepared_(xact|trans)|age_prepared'
                    AND name <> 'max_prepared_transactions' AND name !~ 'warn'
                    AND CASE WHEN vartype IN ('integer', 'real') THEN setting::numeric > 0 END),
            (SELECT count(*) FROM pg_stat_replication AS r
                WHERE r.state IS DISTINCT FROM 'backup' AND NOT EXISTS (
                    SELECT FROM pg_replication_slots AS s
                    WHERE s.active_pid = r.pid AND s.slot_type = 'logical')),
            current_setting('synchronous_standby_names'),
            (SELECT max(age(datfrozenxid)) FROM pg_database),
            (SELECT max(mxid_age(datminmxid)) FROM pg_database),
            pg_snapshot_xmax(pg_current_snapshot()), current_setting('vacuum_failsafe_age'),
            current_setting('vacuum_multixact_failsafe_age'),
            current_setting('autovacuum_freeze_max_age'),
            (SELECT max(age(transaction)) FROM pg_prepared_xacts), session_user,
            (SELECT CASE WHEN isfinite(rolvaliduntil)
                    THEN extract(epoch FROM rolvaliduntil - clock_timestamp())::bigint END
                FROM pg_roles WHERE rolname = session_user),
            ARRAY(SELECT n.nspname || '.' || c.relname FROM pg_class AS c
                JOIN pg_namespace AS n ON n.oid = c.relnamespace
                WHERE (n.nspname, c.relname) IN (('cron', 'job'), ('pgagent', 'pga_jobstep'))),
            (SELECT setting FROM pg_settings WHERE name = 'cron.database_name'),
            current_database()
        """
    ) { row in
        var reading = HazardReading()
        reading.processID = row.value()
        reading.isFsyncOn = row.text() != "off"
        reading.arePagesWrittenWhole = row.text() != "off"
        reading.orphanTimeouts = row.text()
        reading.standbyCount = row.value() ?? 0
        reading.synchronousStandbys = row.text() ?? ""
        reading.transactionIDAge = row.value() ?? 0
        reading.multixactAge = row.value() ?? 0
        reading.nextTransactionID = row.value() ?? 0
        reading.failsafeAge = row.value() ?? reading.failsafeAge
        reading.multixactFailsafeAge = row.value() ?? reading.multixactFailsafeAge
        reading.freezeAge = row.value() ?? reading.freezeAge
        reading.preparedAge = row.value()
        reading.role = row.text() ?? ""
        reading.secondsToExpiry = row.value()
        reading.schedulers = (row.list() ?? []).compactMap {
            $0.flatMap(ScheduledJobs.Scheduler.init(rawValue:))
        }
        reading.cronDatabase = row.text()
        reading.database = row.text() ?? ""
        return reading
    }

    /// Asks the server, in a session whose search path is PostgreSQL's own.
    @LoopActor
    static func read(
        _ connection: PostgresConnection, timeout: Duration
    ) async throws -> HazardReading {
        guard let reading = try await connection.row(query, timeout: timeout) else {
            throw SessionRefusal.unreadable
        }
        return reading
    }

    /// Where the server stops: 3 million ids before the oldest one that is not frozen would lie in the
    /// future.
    private static let transactionIDsMax = 2_147_483_647 - 3_000_000

    /// How many transaction ids the server can still assign.
    var transactionIDsLeft: Int { max(0, Self.transactionIDsMax - transactionIDAge) }
}

extension HazardReading {
    /// What of all this can undo two-phase commit.
    ///
    /// - Parameter expected: the server process that the session had when it was opened, if that is known.
    func hazards(
        of purpose: Diagnostics.Purpose, _ jobs: ScheduledJobs, processID expected: Int32? = nil
    ) -> [Hazard] {
        var found: [Hazard?] = [
            fsync, fullPageWrites, standbys, vacuum, wraparound, expiry,
        ]
        if purpose == .participant {
            found = [orphanTimeout, jobs.hazard, pooler(expected)] + found
        }
        return found.compactMap(\.self)
    }

    private var orphanTimeout: Hazard? {
        orphanTimeouts.map {
            Hazard(
                .orphanTimeout, cause: $0,
                remedy:
                    "The server rolls back prepared transactions by their age, also branches of "
                    + "transactions that are decided as committed: turn it off (0), and reload the "
                    + "server's configuration.")
        }
    }

    private func pooler(_ expected: Int32?) -> Hazard? {
        guard let expected, let processID, expected != processID else { return nil }
        return Hazard(
            .transactionPooler, cause: "a session had another server process than at its opening",
            remedy: "A pooler lends a session for one transaction at a time, so tandem cannot end "
                + "lost sessions: connect to the server itself, or use session pooling.")
    }

    private var fsync: Hazard? {
        isFsyncOn
            ? nil
            : Hazard(
                .fsyncOff, cause: "fsync = off",
                remedy: "A crash of the machine may lose what is reported as committed: turn it on."
            )
    }

    private var fullPageWrites: Hazard? {
        arePagesWrittenWhole
            ? nil
            : Hazard(
                .fullPageWritesOff, cause: "full_page_writes = off",
                remedy: "A crash may leave pages half written, unless the file system writes whole "
                    + "pages: turn it on.")
    }

    private var standbys: Hazard? {
        guard standbyCount > 0, synchronousStandbys.isEmpty else { return nil }
        return Hazard(
            .asynchronousStandby, cause: "standbys, and synchronous_standby_names is empty",
            remedy: "A failover may lose what is reported as committed or prepared: set "
                + "synchronous_standby_names, and fail over to a standby that it names.")
    }

    private var vacuum: Hazard? {
        guard let preparedAge, preparedAge > freezeAge else { return nil }
        return Hazard(
            .vacuumHeldUp, cause: "a prepared transaction is older than autovacuum_freeze_max_age",
            remedy: "\(preparedAge) transaction ids were given out since it began, and VACUUM can "
                + "freeze nothing later: end the oldest ones in pg_prepared_xacts.")
    }

    private var wraparound: Hazard? {
        guard transactionIDAge > failsafeAge || multixactAge > multixactFailsafeAge else {
            return nil
        }
        return Hazard(
            .wraparound, cause: "a database is older than vacuum_failsafe_age",
            remedy: "\(transactionIDsLeft) transaction ids are left before the server refuses to "
                + "write: end old prepared transactions, old sessions and unused replication slots, "
                + "then run VACUUM in the database with the greatest age(datfrozenxid).")
    }

    /// Two weeks are time enough to act.
    private var expiry: Hazard? {
        guard let secondsToExpiry, secondsToExpiry < 14 * 86_400 else { return nil }
        let name = role.quotedIdentifier
        return Hazard(
            .roleExpires, cause: "the role \(name) has a password that expires within two weeks",
            remedy: "After that nobody can finish what it has prepared: ALTER ROLE \(name) "
                + "VALID UNTIL a later time.")
    }
}
