import EventLoop
import PostgresClient

/// Reads a snapshot from a state database that still runs.
enum LiveState {
    private static let patience = Duration.seconds(60)

    /// Reads all tables in one read-only transaction, so that they are of one moment.
    @LoopActor
    static func read(_ options: ConnectionOptions) async throws -> StateSnapshot {
        let connection = try await PostgresConnection.connect(
            options, timeout: .seconds(30), loop: .shared)
        defer { connection.close() }
        _ = try await connection.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        var tables = StateTables()
        for table in StateTables.Table.allCases {
            tables.begin(table)
            let columns = table.columns.map { "\($0)::text" }.joined(separator: ", ")
            // Of the finished ones only those that wait for an operator are counted.
            let filter =
                table == .transactions
                ? " WHERE finished_at IS NULL OR needs_operator_since IS NOT NULL" : ""
            let order = table == .resolutions ? " ORDER BY number" : ""
            let result = try await connection.query(
                "SELECT \(columns) FROM tandem.\(table.rawValue)\(filter)\(order)",
                timeout: patience)
            for row in 0..<result.rowCount {
                var values: [String: String] = [:]
                for (column, name) in table.columns.enumerated() {
                    values[name] = result.text(row: row, column: column)
                }
                tables.add(.init(values: values.mapValues(Self.boolean)), to: table)
            }
        }
        let result = try await connection.query(
            """
            SELECT now()::text, system_identifier::text, pg_is_in_recovery()::text,
                CASE WHEN NOT pg_is_in_recovery() THEN ('x' || substr(pg_walfile_name(
                    pg_current_wal_lsn()), 1, 8))::bit(32)::bigint::text END,
                (SELECT string_agg(name, ', ' ORDER BY name) FROM tandem.replicas
                    WHERE NOT ended AND heartbeat_at > now() - interval '1 minute')
            FROM pg_control_system()
            """, timeout: patience)
        func text(_ column: Int) -> String? { result.text(row: 0, column: column) }
        var snapshot = try StateSnapshot(
            tables, source: "the state database, read at \(text(0) ?? "?")")
        snapshot.doubt =
            doubt(
                recorded: tables.rows(.installation).first, system: text(1),
                isStandby: text(2) == "true", timeline: text(3))
            ?? text(4).map {
                "the replicas \($0) wrote a heartbeat within the last minute: they still run, or have "
                    + "only just been killed"
            }
        return snapshot
    }

    /// `boolean::text` is a word; COPY writes a letter.
    private static func boolean(_ text: String) -> String {
        text == "true" ? "t" : text == "false" ? "f" : text
    }

    /// Why the newest decisions may be missing here.
    static func doubt(
        recorded: StateTables.Row?, system: String?, isStandby: Bool, timeline: String?
    ) -> String? {
        if isStandby {
            return "this server is a standby, and may lack what its primary has written last"
        }
        guard let known = recorded?.text("system_identifier") else { return nil }
        guard known == system, recorded?.text("timeline") == timeline else {
            return
                "this server is not the one that tandem last wrote to: it was promoted, restored or "
                + "replaced, and may have lost decisions"
        }
        return nil
    }
}
