/// Something about a PostgreSQL server that can undo two-phase commit or make it lose data.
package struct Hazard: Sendable, Hashable {
    /// What it is.
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        /// The server ends prepared transactions that are older than a setting says.
        case orphanTimeout
        /// A scheduled job in the database ends prepared transactions.
        case scheduledJob
        /// A pooler gives a session another server process from one transaction to the next.
        case transactionPooler
        /// A crash may lose what was reported as committed.
        case fsyncOff
        /// A crash may leave pages half written.
        case fullPageWritesOff
        /// A failover may lose what was reported as committed or prepared.
        case asynchronousStandby
        /// A prepared transaction is so old that VACUUM cannot freeze what it should.
        case vacuumHeldUp
        /// The server comes near the point at which it assigns no more transaction ids.
        case wraparound
        /// The role's password soon ends to be valid.
        case roleExpires

        /// Whether it contradicts decisions, also while nothing fails.
        package var undoesCommits: Bool {
            switch self {
            case .orphanTimeout, .scheduledJob, .transactionPooler, .wraparound: true
            case .fsyncOff, .fullPageWritesOff, .asynchronousStandby, .vacuumHeldUp, .roleExpires:
                false
            }
        }
    }

    /// What it is.
    package let kind: Kind
    /// What causes it there, such as a setting with its value; without what changes by itself.
    package let cause: String
    /// A sentence that says what can happen, and what to do.
    package let remedy: String

    package init(_ kind: Kind, cause: String, remedy: String) {
        self.kind = kind
        self.cause = cause
        self.remedy = remedy
    }
}

/// The hazards of one server, as they were read last.
package struct HazardSurvey: Sendable, Hashable {
    /// All that were found.
    package let hazards: [Hazard]
    /// Transaction ids that the server can still assign before it refuses to.
    package let transactionIDsLeft: Int
    /// How long these last at the pace of the last hour, if VACUUM freezes nothing meanwhile; nil if
    /// the pace is not known.
    package let secondsToWraparound: Double?
    /// When they were read.
    package let at: Timestamp

    package init(
        hazards: [Hazard], transactionIDsLeft: Int, secondsToWraparound: Double?, at: Timestamp
    ) {
        self.hazards = hazards
        self.transactionIDsLeft = transactionIDsLeft
        self.secondsToWraparound = secondsToWraparound
        self.at = at
    }
}
