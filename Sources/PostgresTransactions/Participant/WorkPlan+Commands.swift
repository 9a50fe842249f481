import CommitProtocol
import PostgresClient
import TransactionEngine

/// What surrounds the caller's statements in a branch.
extension WorkPlan {
    /// What undoes what a branch may leave in its session, settings and locks among it.
    ///
    /// It follows the end of a branch whose session was not proved clean by `cleaning` and what
    /// reports of it. Listening, temporary tables and held cursors can stay only of a branch that was
    /// committed without being prepared; then `remains` follow.
    static let reset = [
        Command("SET SESSION AUTHORIZATION DEFAULT"), Command("RESET ALL"),
        Command("SELECT pg_catalog.pg_advisory_unlock_all()"), Command("DISCARD SEQUENCES"),
    ]

    /// What a local COMMIT may leave behind, and PREPARE would have refused.
    static let remains = [
        Command("CLOSE ALL"), Command("UNLISTEN *"), Command("DISCARD TEMP"),
    ]

    /// Undoes, together with the proof that follows, what the branch may leave in its session, before
    /// it is prepared or held: behind the end it would take a transaction of its own.
    ///
    /// The first of them runs what is deferred, which may be code of the caller's as well. After it PREPARE
    /// and COMMIT run no more of it, but for cursors that are held (see `closingCursors`), and for a
    /// trigger that defers itself once more; `docs/PROTOCOL.md` says what that may do.
    static let cleaning = [
        Command("SET CONSTRAINTS ALL IMMEDIATE"), Command("RESET ALL"),
        Command("DISCARD SEQUENCES"),
    ]

    /// Resets the role: were it not, our own would get 42501 at COMMIT PREPARED, for ever.
    ///
    /// A setting that is written costs more than one that is read, so it is written only where there is
    /// need.
    private static let cleanRole = """
        CASE WHEN pg_catalog.current_setting('role') OPERATOR(pg_catalog.<>) 'none'
            THEN pg_catalog.set_config('role', 'none', false) END
        """

    /// Lifts the `transaction_timeout` of the role or the database (PostgreSQL 17 and later), which
    /// RESET ALL has just brought back: it would end the session while the branch is held.
    private static let untimed = """
        CASE WHEN pg_catalog.current_setting('transaction_timeout', true) OPERATOR(pg_catalog.<>) '0'
            THEN pg_catalog.set_config('transaction_timeout', '0', false) END
        """

    /// The evidence of a branch that will be prepared, and in the same command the reset of its role
    /// and of its session's locks, and who the session is.
    static let cleanEvidence = Command(
        """
        SELECT \(cleanRole), pg_catalog.pg_current_xact_id(),
            pg_catalog.pg_current_wal_insert_lsn(), session_user,
            pg_catalog.pg_advisory_unlock_all(), \(untimed)
        """)

    /// Undoes what PREPARE would refuse and COMMIT keeps, and nobody can see before: LISTEN.
    static let unlisten = Command("UNLISTEN *")

    /// The evidence of a journal's branch: as above, and whether cursors or temporary tables would
    /// outlive COMMIT.
    static let commitPointEvidence = Command(
        """
        SELECT \(cleanRole), pg_catalog.pg_current_xact_id(),
            pg_catalog.pg_current_wal_insert_lsn(), \(sessionResidue)
        """)

    /// The same with a record in the write-ahead log that names the transaction id.
    ///
    /// After a crash PostgreSQL gives ids again of which it finds nothing in its log. Whoever asked
    /// what became of the id would then be told of another transaction.
    static let loggedEvidence = Command(
        """
        SELECT \(cleanRole), pg_catalog.pg_current_xact_id(),
            pg_catalog.pg_logical_emit_message(true, 'tandem', ''), \(sessionResidue)
        """)

    /// Whether a branch that was declared read only is still so, and has written nothing; and what it
    /// leaves, as above.
    static let readOnlyCheck = Command(
        """
        SELECT pg_catalog.current_setting('transaction_read_only'),
            pg_catalog.pg_current_xact_id_if_assigned() IS NULL, \(cleanRole), \(sessionResidue)
        """)

    /// Who the session is, and what is left in it that `cleaning` does not undo; its locks go.
    private static let sessionResidue = """
        session_user, pg_catalog.pg_my_temp_schema(),
            EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable),
            pg_catalog.pg_advisory_unlock_all(), \(untimed)
        """

    /// Sent before the COMMIT of a branch that may hold cursors: their queries, which may be code of
    /// the caller's, would run within it.
    static let closingCursors = Command("CLOSE ALL")

    /// A working session's defaults are read committed and read write, so that the usual BEGIN has
    /// nothing to set.
    static func begin(_ isolation: Isolation, _ commitMode: CommitMode) -> Command {
        let access = commitMode == .readOnly ? " READ ONLY" : ""
        return switch isolation {
        case .readCommitted: Command("BEGIN\(access)")
        case .repeatableRead: Command("BEGIN ISOLATION LEVEL REPEATABLE READ\(access)")
        case .serializable: Command("BEGIN ISOLATION LEVEL SERIALIZABLE\(access)")
        }
    }

    static func prepare(_ gid: String) -> Command {
        Command("PREPARE TRANSACTION \(gid.quotedLiteral)", cached: false)
    }

    /// What follows the work, by the way in which the branch takes part in the end.
    static func closing(_ order: WorkRequest, hasWitness: Bool) -> [Command] {
        switch order.commitMode {
        case .twoPhase:
            cleaning + [cleanEvidence] + (hasWitness ? [Witness.record(order.gid)] : [])
                + [prepare(order.gid)]
        case .readOnly: cleaning + [unlisten, readOnlyCheck]
        case .onePhase: cleaning + [unlisten, loggedEvidence]
        case .journal: cleaning + [unlisten, commitPointEvidence]
        }
    }

    /// How far behind the start of `closing` its proof is.
    static func proofOffset(_ commitMode: CommitMode) -> Int {
        commitMode == .twoPhase ? cleaning.count : cleaning.count + 1
    }
}
