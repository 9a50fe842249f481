import PostgresClient

/// The table of what operators did, to which rows are only added.
package struct AuditTable: Sendable {
    /// One action and what became of it.
    package struct Row: Sendable {
        let actor: String
        let address: String
        let action: String
        let subject: String
        let reason: String?
        let outcome: String

        package init(
            actor: String, address: String, action: String, subject: String, reason: String?,
            outcome: String
        ) {
            self.actor = actor
            self.address = address
            self.action = action
            self.subject = subject
            self.reason = reason
            self.outcome = outcome
        }
    }

    private let state: StateDatabase
    private let replica: String

    /// Makes the table of a replica's state database.
    package init(_ state: StateDatabase, replica: String) {
        self.state = state
        self.replica = replica
    }

    /// Adds a row, durably.
    package func add(_ row: Row) async throws {
        _ = try await state.write(
            """
            INSERT INTO tandem.audit (replica, actor, address, action, subject, reason, outcome)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            [replica, row.actor, row.address, row.action, row.subject, row.reason, row.outcome])
    }
}
