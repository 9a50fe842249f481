package import CommitProtocol

/// The prepared transactions of a participant's server, as one question found them.
package struct PreparedInventory: Sendable, Hashable {
    /// A prepared transaction, of tandem or of another program.
    package struct Entry: Sendable, Hashable {
        /// Its name.
        package let gid: String
        /// Its transaction id.
        package let transactionID: UInt64
        /// How many transaction ids the server has given out since.
        package let transactionIDAge: Int
        /// The role that prepared it; empty if that role is gone.
        package let role: String
        /// The database that it is in.
        package let database: String
        /// When it was prepared, by the server's clock.
        package let preparedAt: Timestamp
        /// How long ago that was, by the same clock.
        package let ageSeconds: Double
        /// Whether this replica may touch it, provided that it bears this installation's name.
        package let claim: PreparedTransaction.Claim
        /// Whether it was prepared before the server or its timeline changed.
        package let isFromBefore: Bool
        /// Some of the locks that it holds, apart from that on its own id; the strongest first.
        package let locks: [HeldLock]
        /// How many it holds.
        package let lockCount: Int
        /// Some of the sessions that cannot go on before it ends, those that wait longest first.
        package let blocked: [BlockedSession]
        /// How many there are.
        package let blockedCount: Int

        package init(
            gid: String, transactionID: UInt64, transactionIDAge: Int, role: String,
            database: String, preparedAt: Timestamp, ageSeconds: Double,
            claim: PreparedTransaction.Claim, isFromBefore: Bool = false, locks: [HeldLock] = [],
            lockCount: Int = 0, blocked: [BlockedSession] = [], blockedCount: Int = 0
        ) {
            self.gid = gid
            self.transactionID = transactionID
            self.transactionIDAge = transactionIDAge
            self.role = role
            self.database = database
            self.preparedAt = preparedAt
            self.ageSeconds = ageSeconds
            self.claim = claim
            self.isFromBefore = isFromBefore
            self.locks = locks
            self.lockCount = lockCount
            self.blocked = blocked
            self.blockedCount = blockedCount
        }
    }

    /// A lock that a prepared transaction holds.
    package struct HeldLock: Sendable, Hashable {
        /// The kind of object, as `pg_locks` names it.
        package let type: String
        /// The relation, as `schema.name`; nil if it is none, or one of another database.
        package let relation: String?
        /// The mode, as `pg_locks` names it.
        package let mode: String

        package init(type: String, relation: String?, mode: String) {
            self.type = type
            self.relation = relation
            self.mode = mode
        }
    }

    /// A session that waits for a prepared transaction, or for another session that does.
    package struct BlockedSession: Sendable, Hashable {
        /// The server process.
        package let processID: Int32
        /// The session's role; nil if it is gone by now.
        package let role: String?
        /// Its `application_name`.
        package let applicationName: String?
        /// Since when it waits, by the server's clock; nil if it has only just begun to.
        package let waitingSince: Timestamp?

        package init(
            processID: Int32, role: String?, applicationName: String?, waitingSince: Timestamp?
        ) {
            self.processID = processID
            self.role = role
            self.applicationName = applicationName
            self.waitingSince = waitingSince
        }
    }

    /// The prepared transactions with the oldest ids, the oldest first.
    package let entries: [Entry]
    /// How many the server has.
    package let count: Int

    package init(entries: [Entry], count: Int) {
        self.entries = entries
        self.count = count
    }
}

/// The prepared transactions of a participant's server, with what is known of each.
package struct PreparedReport: Sendable {
    /// Whose a prepared transaction is.
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        /// A branch of a transaction of this installation.
        case own
        /// It bears this installation's name, and no transaction has it as a branch.
        case orphan
        /// It bears the name of another installation of tandem, or of a program without a log.
        case otherInstallation
        /// Another program, or a person, prepared it.
        case foreign
    }

    /// A prepared transaction.
    package struct Entry: Sendable {
        /// What the server shows of it.
        package let found: PreparedInventory.Entry
        /// Whose it is.
        package let kind: Kind
        /// The transaction of this installation that its name holds; nil if it holds none.
        package let transaction: GlobalTransactionID?
        /// The number of the branch that its name holds.
        package let branch: Int?
        /// What can be done about it, and how to find out what may be done.
        package let remedy: String
    }

    /// When the server was asked, by this replica's clock.
    package let observedAt: Timestamp
    /// Those with the oldest ids, the oldest first.
    package let entries: [Entry]
    /// How many the server has.
    package let count: Int
    /// The one whose id is oldest: VACUUM removes no row version that was deleted after it began.
    package var oldest: PreparedInventory.Entry? { entries.first?.found }
}
