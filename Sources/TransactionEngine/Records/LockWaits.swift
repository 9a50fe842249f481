package import CommitProtocol

/// A wait for a lock in a participant's server, as the server showed it.
package struct LockWaitReport: Sendable, Hashable {
    /// A session, or a prepared transaction, that waits for a lock or holds one.
    package struct Party: Sendable, Hashable {
        /// The global transaction that it works for; nil if none is known.
        package var transaction: GlobalTransactionID?
        /// The number of the branch, if the transaction is known.
        package var branch: Int?
        /// The server process; nil for a prepared transaction.
        package var processID: Int32?
        /// The name of the prepared transaction.
        package var gid: String?
        /// The session's `application_name`; nil for a prepared transaction.
        package var applicationName: String?
        /// The session's role.
        package var role: String?

        package init() {}
    }

    /// The participant's name.
    package let participant: String
    /// The party that waits.
    package let waiter: Party
    /// The holders of the lock, and the sessions before the waiter in the queue for it; at least one.
    package let blockers: [Party]
    /// Since when, by the server's clock, in microseconds since 1970.
    package let since: Timestamp
    /// The relation, as `schema.name`, if it waits for a relation or a row.
    package let relation: String?
    /// The row's place in the relation, `(page,tuple)`, if it waits for a row.
    package let row: String?

    package init(
        participant: String, waiter: Party, blockers: [Party], since: Timestamp,
        relation: String? = nil, row: String? = nil
    ) {
        self.participant = participant
        self.waiter = waiter
        self.blockers = blockers
        self.since = since
        self.relation = relation
        self.row = row
    }
}

/// Transactions that waited for each other's locks, each for the next one and the last for the first.
package struct LockCycle: Sendable, Hashable {
    /// The waits, from the victim's own on.
    package let waits: [LockWaitReport]

    package init(waits: [LockWaitReport]) { self.waits = waits }
}
