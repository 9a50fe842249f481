/// The SQL that gives roles what tandem needs, and nothing else.
package enum LeastRights {
    /// What an administrator runs before the state database's schema is made.
    ///
    /// - Parameters:
    ///   - owner: the role that migrates, and owns the schema.
    ///   - role: the role that tandem works as.
    package static func ofState(owner: String, role: String, database: String) -> [String] {
        [
            creation(of: owner), creation(of: role),
            "GRANT CONNECT ON DATABASE \(database.quotedIdentifier) TO "
                + "\(owner.quotedIdentifier), \(role.quotedIdentifier)",
            "GRANT CREATE ON DATABASE \(database.quotedIdentifier) TO \(owner.quotedIdentifier)",
        ]
    }

    /// What the owner of schema `tandem` runs after each migration, for the role that tandem works as.
    ///
    /// That role has no right to delete a transaction or a resolution: `tandem.remove_finished` does, for
    /// finished ones. It writes a decision only where there is none, since the triggers are another role's.
    /// But it may record a finish, and so have any transaction removed: its password is as good as a decision.
    package static func onSchema(role: String) -> [String] {
        let name = role.quotedIdentifier
        func update(_ table: String, _ columns: [String]) -> String {
            "GRANT UPDATE (\(columns.joined(separator: ", "))) ON tandem.\(table) TO \(name)"
        }
        return [
            "GRANT USAGE ON SCHEMA tandem TO \(name)",
            "GRANT SELECT ON ALL TABLES IN SCHEMA tandem TO \(name)",
            "GRANT INSERT ON tandem.replicas, tandem.participants, tandem.sessions, "
                + "tandem.transactions, tandem.resolutions, tandem.waiting_sessions, tandem.audit, "
                + "tandem.operator_alerts TO \(name)",
            update(
                "installation",
                [
                    "low_water_mark", "system_identifier", "timeline", "quarantined_below",
                    "quarantine_reason", "quarantined_at",
                ]),
            update(
                "replicas",
                [
                    "epoch", "participants", "started_at", "heartbeat_at", "uninterrupted_since",
                    "ended",
                ]),
            update("participants", ["timeline", "safe_transaction_id", "timeline_changed_at"]),
            update("transactions", written),
            "GRANT UPDATE, DELETE ON tandem.waiting_sessions, tandem.operator_alerts TO \(name)",
            "GRANT DELETE ON tandem.sessions TO \(name)",
            "GRANT USAGE ON SEQUENCE tandem.transaction_numbers TO \(name)",
            "GRANT EXECUTE ON FUNCTION tandem.remove_finished(bigint, integer) TO \(name)",
        ]
    }

    /// The columns of a transaction that change after its acceptance.
    private static let written = [
        "key_digest", "owner", "epoch", "delegated", "state", "votes", "evidence", "decision",
        "decision_from", "decided_at", "rollback_requested", "outcomes", "retries", "errors",
        "finished_at", "results", "results_omitted", "problem", "needs_operator_since",
        "resolution_count", "retried_as",
    ]

    /// What an administrator runs in a participant's database.
    ///
    /// PREPARE TRANSACTION, COMMIT PREPARED and ROLLBACK PREPARED need no right: the role that prepared a
    /// transaction may end it.
    package static func ofParticipant(
        role: String, database: String, hasWitness: Bool, hasJournal: Bool
    ) -> [String] {
        [
            creation(of: role),
            "GRANT CONNECT ON DATABASE \(database.quotedIdentifier) TO \(role.quotedIdentifier)",
        ] + (hasWitness ? Witness.statements(role: role) : [])
            + (hasJournal ? JournalSchema.statements(role: role) : [])
    }

    /// A role that is there already keeps its attributes; `tandem check` says which are too many.
    private static func creation(of role: String) -> String {
        """
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = \(role.quotedLiteral)) THEN
                CREATE ROLE \(role.quotedIdentifier) LOGIN NOSUPERUSER NOBYPASSRLS NOREPLICATION
                    NOCREATEROLE NOCREATEDB;
            END IF;
        END $$
        """
    }
}
