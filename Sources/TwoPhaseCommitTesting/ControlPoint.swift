import TransactionEngine

/// A named place between two steps of a commit.
///
/// The cases are in the order in which a transaction passes them. A transaction that aborts passes
/// only those before its vote.
public enum ControlPoint: String, Sendable, Hashable, CaseIterable {
    /// The coordinator has accepted the transaction; the work runs at the same time.
    case accepted
    /// A participant's work is about to begin.
    case working
    /// A participant has voted yes, and is prepared unless it is read-only.
    case prepared
    /// Every participant has voted yes, and the decision is about to be recorded: they are in doubt.
    case deciding
    /// The decision to commit is recorded, and no participant has committed yet.
    case decided
    /// A prepared participant is about to be committed.
    case finishing
    /// A prepared participant is committed, and the coordinator does not know it yet.
    case finished
    /// Every participant is finished, and the coordinator is about to record that.
    case recording

    var enginePoint: ControlRule.Point {
        switch self {
        case .accepted: .accepted
        case .working: .working
        case .prepared: .prepared
        case .deciding: .deciding
        case .decided: .decided
        case .finishing: .finishing
        case .finished: .finished
        case .recording: .recording
        }
    }
}

/// What goes wrong at a control point.
public enum RehearsedFailure: String, Sendable, Hashable, CaseIterable {
    /// The connection is lost there, each time the transaction comes by, until the fault is removed.
    ///
    /// What was to be sent is not sent, or the answer does not arrive.
    case disconnect
    /// The coordinator dies: from then on nothing that it sends or should receive gets through.
    ///
    /// Shut it down, and start another one with the same configuration: that is the next incarnation.
    case crash
    /// Another program commits the prepared transaction without the coordinator's knowledge.
    ///
    /// For the points from ``ControlPoint/prepared`` to ``ControlPoint/finishing``.
    case commitBranch
    /// Another program rolls the prepared transaction back without the coordinator's knowledge.
    ///
    /// For the points from ``ControlPoint/prepared`` to ``ControlPoint/finishing``.
    case rollBackBranch

    var action: ControlRule.Action {
        switch self {
        case .disconnect: .disconnect
        case .crash: .kill
        case .commitBranch: .commitBranch
        case .rollBackBranch: .rollBackBranch
        }
    }
}
