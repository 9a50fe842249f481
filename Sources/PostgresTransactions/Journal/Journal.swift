import CommitProtocol
import PostgresClient
import TransactionEngine

/// The journal of decisions in a participant: one row a transaction, inserted once.
///
/// A commit is inserted by the very transaction that it decides, an abort by whoever wants to be
/// certain that there will be no commit. Which one is there is decided by the primary key, and never
/// by ON CONFLICT, which would let the loser go on.
enum Journal {
    /// Inserts a decision; 23505 if there is one.
    ///
    /// It is what is sent last before COMMIT, so `synchronous_commit` is set in the same command, before
    /// the row is inserted.
    static func decide(
        _ decision: Decision, _ entry: JournalEntry, installation: String
    ) -> Command {
        let evidence =
            decision == .commit
            ? ArrayLiteral.write(entry.evidence.map { $0.map(RowCoding.text(of:)) }) : nil
        return Command(
            """
            SELECT pg_catalog.set_config('synchronous_commit', 'on', true),
                tandem_participant.decide($1, $2, $3, $4, $5, $6)
            """,
            key(entry.transaction, installation) + [
                decision.rawValue, evidence,
                entry.results.map { String(decoding: $0, as: UTF8.self) },
            ])
    }

    /// Reads the decision by a write of one's own, so that it is at least as durable as that write.
    static func claim(_ transaction: GlobalTransactionID, installation: String) -> Command {
        Command(
            "SELECT decision, evidence, results FROM tandem_participant.claim($1, $2, $3)",
            key(transaction, installation))
    }

    private static func key(
        _ transaction: GlobalTransactionID, _ installation: String
    ) -> [String?] {
        [installation, "\(transaction.number)", "\(Int64(bitPattern: transaction.salt))"]
    }

    /// Whether everything is there, and may be used by this session's role.
    ///
    /// The second column tells whether that role owns it, and could change what is decided.
    static let inspection = Command(
        """
        SELECT coalesce(bool_and(pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
                AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')), false)
                AND pg_catalog.count(DISTINCT p.proname) = 4,
            coalesce(bool_or(pg_catalog.pg_has_role(n.nspowner, 'USAGE')), false)
        FROM pg_catalog.pg_namespace AS n
            JOIN pg_catalog.pg_proc AS p ON p.pronamespace = n.oid
        WHERE n.nspname = 'tandem_participant'
            AND p.proname IN ('decide', 'claim', 'decided', 'forget')
        """)
}
