import CommitProtocol
import PostgresClient
import TransactionEngine

/// The commands around the caller's statements in a branch.
extension WorkPlan {
    /// Undoes what a branch may leave in its session, settings and locks among it.
    ///
    /// It follows the end of a branch whose proof did not show the session clean. Only a branch that was
    /// committed without being prepared can leave listening, temporary tables or held cursors; then
    /// `remains` follow.
    static let reset = [
        Command.fixed("SET SESSION AUTHORIZATION DEFAULT"), Command.fixed("RESET ALL"),
        Command.fixed("SELECT pg_catalog.pg_advisory_unlock_all()"),
        Command.fixed("DISCARD SEQUENCES"),
    ]

    /// Undoes what a local COMMIT may leave and PREPARE would have refused.
    static let remains = [
        Command.fixed("CLOSE ALL"), Command.fixed("UNLISTEN *"), Command.fixed("DISCARD TEMP"),
    ]

    /// Undoes, together with the proof that follows, what the branch may leave in its session.
    ///
    /// It runs before the branch is prepared or held: after the end it would need a transaction of its
    /// own. The first command runs everything deferred, which may be the caller's code as well. PREPARE and
    /// COMMIT run no more of it after that, except for cursors that are held (see `closingCursors`)
    /// and for a trigger that defers itself again; `docs/PROTOCOL.md` says what such a trigger may do.
    static let cleaning = [
        Command.fixed("SET CONSTRAINTS ALL IMMEDIATE"), Command.fixed("RESET ALL"),
        Command.fixed("DISCARD SEQUENCES"),
    ]

    /// Undoes LISTEN, which PREPARE would refuse, COMMIT keeps, and no query shows before the commit.
    private static let unlisten = Command.fixed("UNLISTEN *")

    /// Closes the cursors that a branch may hold, before its COMMIT: PostgreSQL runs their queries, which
    /// may be the caller's code, within COMMIT.
    static let closingCursors = Command.fixed("CLOSE ALL")

    /// Begins a branch; a working session's defaults are read committed and read write, so the usual
    /// BEGIN sets nothing.
    static func begin(_ isolation: Isolation, _ commitMode: CommitMode) -> Command {
        let begin =
            switch isolation {
            case .readCommitted: readCommitted
            case .repeatableRead: repeatableRead
            case .serializable: serializable
            }
        return commitMode == .readOnly ? begin.readOnly : begin.readWrite
    }

    /// Limits how long each statement of the branch may wait for a lock.
    ///
    /// It is sent before BEGIN. `RESET ALL` undoes it: that of `cleaning` if the branch is prepared then, and
    /// that of `reset` after the end of any other branch, since a ROLLBACK would undo the former.
    static func lockTimeout(_ limit: Duration) -> Command {
        Command(
            "SELECT pg_catalog.set_config('lock_timeout', $1, false)",
            ["\(limit.wholeMilliseconds)"])
    }

    /// The commands that begin a transaction of one isolation level.
    private struct Beginning {
        let readWrite: Command
        let readOnly: Command

        init(_ begin: String) {
            readWrite = Command.fixed(begin)
            readOnly = Command.fixed("\(begin) READ ONLY")
        }
    }

    private static let readCommitted = Beginning("BEGIN")
    private static let repeatableRead = Beginning("BEGIN ISOLATION LEVEL REPEATABLE READ")
    private static let serializable = Beginning("BEGIN ISOLATION LEVEL SERIALIZABLE")

    /// The tag of a PREPARE that prepared.
    static let prepareTag = "PREPARE TRANSACTION"

    /// Everything after the work, by the branch's commit mode; the witness and PREPARE without the
    /// branch's name.
    static func closing(_ commitMode: CommitMode, hasWitness: Bool) -> [Command] {
        let proof = BranchProof.query(commitMode).command()
        guard commitMode == .twoPhase else { return cleaning + [unlisten, proof] }
        return cleaning + [proof] + (hasWitness ? [Witness.record] : [])
            + [Command(prepareTag, cached: false)]
    }

    /// Prepares a branch under this name.
    static func prepare(_ gid: String) -> Command {
        Command(.command(prepareTag, onPrepared: gid), cached: false)
    }

    /// The index of the proof in `closing`.
    static func proofOffset(_ commitMode: CommitMode) -> Int {
        commitMode == .twoPhase ? cleaning.count : cleaning.count + 1
    }
}

/// What a branch shows about itself in one command, after its work and right before its vote.
///
/// The same command resets the role and drops the session's advisory locks.
struct BranchProof: Sendable {
    enum Finding: Sendable {
        /// Of a branch that may write: its transaction id, and a location in the write-ahead log after
        /// everything it wrote.
        case written(transactionID: UInt64, location: String)
        /// Of a branch that was declared read only: whether it still is, and has written nothing.
        case readOnly(Bool)
    }

    let finding: Finding
    /// The session's user, which a session authorization changes.
    let user: String?
    /// Whether temporary tables or cursors would outlive COMMIT; PREPARE refuses both.
    let leavesObjects: Bool

    /// The command of a branch, and its reading.
    static func query(_ commitMode: CommitMode) -> Query<BranchProof> {
        switch commitMode {
        case .twoPhase: prepared
        case .journal: journal
        case .onePhase: onePhase
        case .readOnly: readOnly
        }
    }

    private static let prepared = Query<BranchProof>(
        """
        SELECT \(resetRole), pg_catalog.pg_current_xact_id(),
            pg_catalog.pg_current_wal_insert_lsn(), session_user,
            pg_catalog.pg_advisory_unlock_all(), \(untimed)
        """, isFixed: true
    ) { row in
        row.skip()
        let written = written(&row)
        let user = row.text()
        row.skip(2)
        return written.map { BranchProof(finding: $0, user: user, leavesObjects: false) }
    }

    private static let journal = Query<BranchProof>(
        """
        SELECT \(resetRole), pg_catalog.pg_current_xact_id(),
            pg_catalog.pg_current_wal_insert_lsn(), \(residue)
        """, isFixed: true
    ) { row in
        row.skip()
        return written(&row).map { BranchProof($0, residue: &row) }
    }

    /// Writes a record that names the transaction id to the write-ahead log.
    ///
    /// After a crash PostgreSQL reuses ids of which it finds nothing in its log. A query for the status
    /// of this id would then be answered for another transaction.
    private static let onePhase = Query<BranchProof>(
        """
        SELECT \(resetRole), pg_catalog.pg_current_xact_id(),
            pg_catalog.pg_logical_emit_message(true, 'tandem', ''), \(residue)
        """, isFixed: true
    ) { row in
        row.skip()
        return written(&row).map { BranchProof($0, residue: &row) }
    }

    private static let readOnly = Query<BranchProof>(
        """
        SELECT pg_catalog.current_setting('transaction_read_only'),
            pg_catalog.pg_current_xact_id_if_assigned() IS NULL, \(resetRole), \(residue)
        """, isFixed: true
    ) { row in
        let isReadOnly = row.text() == "on"
        let hasNoID = row.isTrue()
        row.skip()
        return BranchProof(.readOnly(isReadOnly && hasNoID), residue: &row)
    }

    /// Resets the role; otherwise our own role would get 42501 at every COMMIT PREPARED.
    ///
    /// Writing a setting costs more than reading one, so it is written only where it differs.
    private static let resetRole = """
        CASE WHEN pg_catalog.current_setting('role') OPERATOR(pg_catalog.<>) 'none'
            THEN pg_catalog.set_config('role', 'none', false) END
        """

    /// Lifts the `transaction_timeout` of the role or the database (PostgreSQL 17 and later), which
    /// RESET ALL has just brought back: it would end the session while the branch is held.
    private static let untimed = """
        CASE WHEN pg_catalog.current_setting('transaction_timeout', true) OPERATOR(pg_catalog.<>) '0'
            THEN pg_catalog.set_config('transaction_timeout', '0', false) END
        """

    /// The session's user, and what `cleaning` leaves in the session; drops its advisory locks.
    private static let residue = """
        session_user, pg_catalog.pg_my_temp_schema(),
            EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable),
            pg_catalog.pg_advisory_unlock_all(), \(untimed)
        """

    private init(finding: Finding, user: String?, leavesObjects: Bool) {
        self.finding = finding
        self.user = user
        self.leavesObjects = leavesObjects
    }

    /// Reads the columns of `residue`.
    private init(_ finding: Finding, residue row: inout RowReader) {
        let user = row.text()
        let hasTemporaryTables = row.text() != "0"
        let hasHeldCursors = row.text() != "f"
        row.skip(2)
        self.init(
            finding: finding, user: user, leavesObjects: hasTemporaryTables || hasHeldCursors)
    }

    private static func written(_ row: inout RowReader) -> Finding? {
        let transactionID = row.unsigned()
        let location = row.text()
        guard let transactionID, let location else { return nil }
        return .written(transactionID: transactionID, location: location)
    }
}
