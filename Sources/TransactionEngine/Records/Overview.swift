package import CommitProtocol

/// A queue of transactions that somebody may ask about: those that run, and those that are late.
///
/// No transaction is in two. A deadline is by the clock of the state database, a decision's time by that
/// of the replica that asked for it.
package enum TransactionQueue: String, Sendable, Hashable, CaseIterable {
    /// Undecided, and before the deadline.
    case running
    /// Decided more than a second ago, with a branch that has not finished.
    case retrying
    /// Undecided after the deadline.
    case inDoubt
    /// Only an operator can say how it ended.
    case needsOperator
}

/// How long a queue is.
package struct QueueSummary: Sendable, Hashable {
    /// A transaction of a queue.
    package struct Entry: Sendable, Hashable {
        /// Its id.
        package let id: GlobalTransactionID
        /// When it was accepted.
        package let acceptedAt: Timestamp

        package init(id: GlobalTransactionID, acceptedAt: Timestamp) {
            self.id = id
            self.acceptedAt = acceptedAt
        }
    }

    /// The queue.
    package let queue: TransactionQueue
    /// How many transactions it has, or how many were found before the count was given up.
    package let count: Int
    /// Whether there are no more.
    package let isCountExact: Bool
    /// The one that was accepted first; nil if none was found.
    package let oldest: Entry?

    package init(queue: TransactionQueue, count: Int, isCountExact: Bool, oldest: Entry?) {
        self.queue = queue
        self.count = count
        self.isCountExact = isCountExact
        self.oldest = oldest
    }
}

/// A replica, as the state database knows it.
package struct ReplicaReport: Sendable, Hashable {
    /// Whether the replica may coordinate transactions.
    package enum State: String, Sendable, Hashable, CaseIterable {
        /// Its lease has not run out.
        case live
        /// Its lease has run out, and no other replica has ended it yet.
        case expired
        /// It gave its lease up, or another replica ended it: its transactions are taken over.
        case ended
    }

    /// Its name.
    package let name: String
    /// Counts the incarnations of that name.
    package let epoch: Int64
    /// When its latest incarnation began.
    package let startedAt: Timestamp
    /// When it last renewed its lease, by the clock of the state database.
    package let lastHeartbeatAt: Timestamp
    /// When its lease runs out unless it is renewed.
    package let leaseExpiresAt: Timestamp
    /// Whether it may coordinate transactions.
    package let state: State
    /// The participants that it knows.
    package let participants: [String]
    /// Whether it is the replica that was asked.
    package let isThisReplica: Bool

    package init(
        name: String, epoch: Int64, startedAt: Timestamp, lastHeartbeatAt: Timestamp,
        leaseExpiresAt: Timestamp, state: State, participants: [String], isThisReplica: Bool
    ) {
        self.name = name
        self.epoch = epoch
        self.startedAt = startedAt
        self.lastHeartbeatAt = lastHeartbeatAt
        self.leaseExpiresAt = leaseExpiresAt
        self.state = state
        self.participants = participants
        self.isThisReplica = isThisReplica
    }
}

/// What there is to see of an installation at a glance.
package struct Overview: Sendable {
    /// A participant, as this replica knows it.
    package struct Participant: Sendable {
        /// What is known of it without asking it.
        package let status: ParticipantStatus
        /// Its prepared transactions that are left to an operator.
        package let unresolved: [ReportedTransaction]
    }

    /// The name of the replica that was asked.
    package let replica: String
    /// When it was asked, by its own clock.
    package let observedAt: Timestamp
    /// The queues of all replicas, each once, in the order of `TransactionQueue.allCases`.
    package let queues: [QueueSummary]
    /// All replicas, by name.
    package let replicas: [ReplicaReport]
    /// The participants of the replica that was asked, in the order of its configuration.
    package let participants: [Participant]
}

/// What became of a request to try the unfinished branches of a transaction at once.
package enum RetryAnswer: Sendable {
    /// No row of this principal has the id.
    case notFound
    /// Nothing is decided yet, so there is no branch to finish.
    case undecided(TransactionRecord)
    /// Every branch has finished.
    case finished(TransactionRecord)
    /// The coordinating replica was asked to try again; this is the transaction now.
    case asked(TransactionRecord)
}
