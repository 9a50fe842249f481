import CommitProtocol

/// Which transactions meet which fate at which control point.
package struct ControlRule: Sendable, Hashable {
    /// The place.
    package let point: Point
    /// What happens there.
    package let action: Action
    /// The participant whose branches it is about; nil for all.
    package var participant: String?
    /// Only transactions with all of these labels.
    package var labels: [TransactionRequest.Label] = []
    /// Only the transactions of this key.
    package var keyDigest: [UInt8]?
    /// At most so many transactions; nil for all.
    package var transactionsMax: Int?

    /// Makes a rule for all transactions, unless a property narrows it.
    package init(at point: Point, _ action: Action) {
        self.point = point
        self.action = action
    }

    func matches(_ record: TransactionRecord) -> Bool {
        guard labels.allSatisfy(record.labels.contains) else { return false }
        if let keyDigest, record.idempotency?.keyDigest != keyDigest { return false }
        guard let participant else { return true }
        return record.branches.contains { $0.participant == participant }
    }
}

extension ControlRule {
    /// A named place between two steps of a commit, at which a rehearsal may hold or harm a transaction.
    ///
    /// In the order in which a commit passes them. An abort passes only those before its vote.
    package enum Point: String, CaseIterable, Sendable {
        /// The acceptance is durable; without a key, the work runs at the same time.
        case accepted
        /// A branch's work is about to be sent.
        case working
        /// A branch has voted yes; a two-phase branch is prepared.
        case prepared
        /// Every branch has voted yes, and the decision is about to be written.
        case deciding
        /// The decision to commit is durable, and the replica does not know it yet.
        case decided
        /// A prepared branch is about to be committed.
        case finishing
        /// A prepared branch is committed, and the replica does not know it yet.
        case finished
        /// Every branch is finished, and the finish record is about to be written.
        case recording

        /// Whether each branch passes it by itself.
        package var isOfBranch: Bool {
            switch self {
            case .working, .prepared, .finishing, .finished: true
            case .accepted, .deciding, .decided, .recording: false
            }
        }

        /// Whether the branches of a transaction that is here are prepared and not committed.
        package var hasPreparedBranches: Bool {
            switch self {
            case .prepared, .deciding, .decided, .finishing: true
            case .accepted, .working, .finished, .recording: false
            }
        }

        /// The control point at a place; nil if none is there.
        init?(_ place: StepPlace) {
            switch (place.step, place.moment) {
            case (.accept, .after) where place.isDone: self = .accepted
            case (.work, .before): self = .working
            case (.work, .after) where place.isDone: self = .prepared
            case (.decideCommit, .before), (.commitLocally, .before): self = .deciding
            case (.decideCommit, .after) where place.isDone,
                (.commitLocally, .after) where place.isDone:
                self = .decided
            case (.commitPrepared, .before): self = .finishing
            case (.commitPrepared, .after) where place.isDone: self = .finished
            case (.finish, .before) where place.isOfCommit: self = .recording
            default: return nil
            }
        }
    }

    /// What happens to a transaction at a control point.
    package enum Action: String, CaseIterable, Sendable {
        /// It is held until the rule is removed or the transaction is released.
        case pause
        /// Its connection is lost there, each time it comes by: what was to be sent is not sent, or the
        /// answer does not arrive.
        case disconnect
        /// The replica is killed.
        case kill
        /// The replica is killed and started again.
        case restart
        /// Its prepared branches in the rule's participant are committed without the coordinator's
        /// knowledge.
        case commitBranch
        /// Its prepared branches in the rule's participant are rolled back without the coordinator's
        /// knowledge.
        case rollBackBranch

        /// Whether it is done to prepared branches, which not every point has.
        package var needsPreparedBranches: Bool {
            switch self {
            case .commitBranch, .rollBackBranch: true
            case .pause, .disconnect, .kill, .restart: false
            }
        }
    }
}

extension StepPlace {
    /// Whether it is about the record of a commit.
    fileprivate var isOfCommit: Bool {
        if case .write(let write) = subject { write.record.decision == .commit } else { false }
    }
}
