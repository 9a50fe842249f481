import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// The journal of decisions in a participant: one row for each transaction, inserted once.
///
/// The transaction that a commit decides inserts the commit itself. Another transaction inserts an abort
/// to make sure that no commit will follow. The primary key alone decides which one is there; ON
/// CONFLICT would let the loser go on.
enum Journal {
    /// Inserts a decision; fails with 23505 if there is one.
    ///
    /// It is the last command before COMMIT, so it sets `synchronous_commit` before it inserts the row.
    static func decide(
        _ decision: Decision, _ entry: JournalEntry, installation: String
    ) -> Command {
        let evidence =
            decision == .commit
            ? ArrayLiteral.write(entry.evidence.map { $0.map(RowCoding.text(of:)) }) : nil
        return decide.with(
            key(of: entry.transaction, installation) + [
                decision.rawValue, evidence,
                entry.results.map { String(decoding: $0, as: UTF8.self) },
            ])
    }

    private static let decide = Command.fixed(
        """
        SELECT pg_catalog.set_config('synchronous_commit', 'on', true),
            tandem_participant.decide($1, $2, $3, $4, $5, $6)
        """)

    /// Reads a decision by a write, so that the decision is at least as durable as that write.
    static let claim = Query<CommitPointReading>(
        "SELECT decision, evidence, results FROM tandem_participant.claim($1, $2, $3)"
    ) { row in
        let decision = row.text().flatMap(Decision.init(rawValue:))
        let evidence = row.list() ?? []
        let results = row.text()
        return decision.map {
            .holds(
                $0, evidence: evidence.map { $0.flatMap(RowCoding.evidence(of:)) },
                results: results.map { Array($0.utf8) })
        }
    }

    /// The parameters that name a transaction.
    static func key(
        of transaction: GlobalTransactionID, _ installation: String
    ) -> [String?] {
        [installation, "\(transaction.number)", "\(Int64(bitPattern: transaction.salt))"]
    }

    /// Decided transactions with greater numbers than one, by ascending number.
    static let decided = Query<GlobalTransactionID>(
        "SELECT number, salt FROM tandem_participant.decided($1, $2, $3)"
    ) { row in
        guard let number: Int64 = row.value(), let salt: Int64 = row.value() else { return nil }
        return GlobalTransactionID(number: number, salt: UInt64(bitPattern: salt))
    }

    /// Removes decisions.
    static func forget(_ ids: [GlobalTransactionID], installation: String) -> Command {
        Command(
            "SELECT tandem_participant.forget($1, $2, $3)",
            [
                installation, ArrayLiteral.write(ids.map(\.number)),
                ArrayLiteral.write(ids.map { Int64(bitPattern: $0.salt) }),
            ])
    }

    // MARK: Its schema

    /// Whether a session can use a journal.
    struct Condition: Sendable, Hashable {
        /// Whether it is there and complete, and the session's role may use it.
        let isUsable: Bool
        /// Whether the session's role owns it, directly or as a superuser, and so could change decisions.
        let isOwned: Bool
    }

    private static let condition = Query<Condition>(
        """
        SELECT coalesce(bool_and(pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
                AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')), false)
                AND pg_catalog.count(DISTINCT p.proname) = 4,
            coalesce(bool_or(pg_catalog.pg_has_role(n.nspowner, 'USAGE')), false)
        FROM pg_catalog.pg_namespace AS n
            JOIN pg_catalog.pg_proc AS p ON p.pronamespace = n.oid
        WHERE n.nspname = 'tandem_participant'
            AND p.proname IN ('decide', 'claim', 'decided', 'forget')
        """
    ) { row in Condition(isUsable: row.isTrue(), isOwned: row.isTrue()) }

    /// Asks the catalogs for the journal's condition.
    @LoopActor
    static func condition(on connection: PostgresConnection) async throws -> Condition {
        try await connection.row(condition, timeout: .seconds(10))
            ?? Condition(isUsable: false, isOwned: false)
    }

    /// Creates what is missing, in one transaction; replicas that start together take turns.
    @LoopActor
    static func create(on connection: PostgresConnection, role: String) async throws {
        var commands = [
            Command("BEGIN"), Command("SELECT pg_advisory_xact_lock(7823645902)"),
        ]
        commands += JournalSchema.statements(role: role).map { Command($0, cached: false) }
        commands.append(Command("COMMIT"))
        let replies = try await connection.execute([commands], timeout: .seconds(30))
        for case .failed(let message) in replies[0] {
            _ = try await connection.execute([[Command("ROLLBACK")]], timeout: .seconds(10))
            throw PostgresError.server(message)
        }
    }

    private static let creator = Query<(role: String, mayCreate: Bool)>(
        """
        SELECT session_user,
            pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
        """
    ) { row in (row.text() ?? "", row.isTrue()) }

    /// Examines the journal for `tandem check`; where it is missing, the detail has the SQL that creates it.
    @LoopActor
    static func examine(_ connection: PostgresConnection) async throws -> Diagnosis.Check {
        let condition = try await condition(on: connection)
        if condition.isUsable {
            return condition.isOwned
                ? .warning(
                    "journal",
                    "The journal of decisions belongs to tandem's own role, so callers' SQL could "
                        + "change decisions; let another role own schema tandem_participant.")
                : .ok("journal", "The journal of decisions is complete and usable.")
        }
        let creator = try await connection.row(creator, timeout: Diagnostics.patience)
        let sql = JournalSchema.statements(role: creator?.role ?? "")
            .map { $0 + ";" }.joined(separator: "\n")
        return creator?.mayCreate ?? false
            ? .warning(
                "journal",
                "There is no journal of decisions. tandem creates it at the next start; better let "
                    + "another role run there:\n" + sql)
            : .failing(
                "journal",
                "There is no journal of decisions, and the role may not create it; run there:\n"
                    + sql)
    }
}
