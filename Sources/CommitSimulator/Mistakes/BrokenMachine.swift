internal import CommitProtocol

/// Mistakes that a coordinator could make; each must be caught by some rule.
package enum BrokenMachine: CaseIterable, Hashable, Sendable {
    /// An unknown decision is taken for an abort.
    case unknownDecisionIsAbort
    /// An unknown decision is taken for the commit that was asked for.
    case unknownDecisionIsCommit
    /// An unknown acceptance is taken for a refusal.
    case unknownAcceptanceIsRefusal
    /// The accept is sent again where a tombstone is due.
    case acceptedAgain
    /// Branches are committed while the decision is being written.
    case commitBeforeDecided
    /// The caller is told while the decision is being written.
    case answeredBeforeDecided
    /// A doubtful branch is rolled back without the fence.
    case unfenced
    /// A refusal is taken for a yes.
    case refusalIsYes
    /// A branch prepared against its vote is taken for one that is not prepared.
    case preparedAgainstVoteIsRefused
    /// A vote that comes after the abort is dropped.
    case lateVoteDropped
    /// A foreign commit is not obeyed.
    case foreignCommitIsAbort
    /// The caller is told of a commit before the tag of the register's own COMMIT.
    case answeredBeforeTag
    /// Siblings are committed before the journal has decided.
    case siblingsBeforeJournal
    /// A register that did not answer is taken to have rolled back.
    case unknownCommitPointIsAbort
    /// A register that did not answer is taken to have committed.
    case unknownCommitPointIsCommit
    /// A read-only branch is committed while the decision is being written.
    case readOnlyBeforeDecided

    /// What the mistaken machine makes of an event; nil where it ignores it.
    func hears(_ event: Event, _ machine: TransactionMachine) -> Event? {
        switch (self, event) {
        case (.unknownDecisionIsAbort, .decisionUnknown):
            if case .deciding = machine.phase { .decided(.abort) } else { event }
        case (.unknownDecisionIsCommit, .decisionUnknown):
            machine.phase == .deciding(.commit, viaTombstone: false) ? .decided(.commit) : event
        case (.unknownAcceptanceIsRefusal, .acceptUnknown): .acceptRefused
        case (.refusalIsYes, .voted(let branch, .refused)):
            machine.branches[branch].commitMode == .twoPhase
                ? .voted(branch: branch, .prepared(Self.inventedEvidence)) : event
        case (.preparedAgainstVoteIsRefused, .voted(let branch, .preparedAgainstVote)):
            .voted(branch: branch, .refused)
        case (.lateVoteDropped, .voted): machine.state == .aborting ? nil : event
        case (.foreignCommitIsAbort, .decided):
            machine.phase == .deciding(.abort, viaTombstone: false) ? .decided(.abort) : event
        case (.unknownCommitPointIsAbort, .commitPointAnswered(.tryAgain)):
            .commitPointAnswered(.decided(.abort))
        case (.unknownCommitPointIsCommit, .localCommitAnswered(.unknown)):
            .localCommitAnswered(.committed)
        default: event
        }
    }

    /// What the mistaken machine makes of a step.
    func says(_ step: inout Step, _ machine: TransactionMachine) {
        let isLocalCommit = step.commands.contains { command in
            if case .commitLocally = command { true } else { false }
        }
        switch self {
        case .acceptedAgain where step.log == .tombstone: step.log = .accept
        case .commitBeforeDecided where step.log == .decide(.commit):
            step.commands += machine.branches.indices.map { .commitPrepared(branch: $0) }
        case .answeredBeforeDecided where step.log == .decide(.commit): step.reply = .committed
        case .unfenced:
            step.commands = step.commands.map { command in
                guard case .fenceAndRollBack(let branch) = command else { return command }
                return .rollbackPrepared(branch: branch)
            }
        case .answeredBeforeTag where isLocalCommit: step.reply = .committed
        case .siblingsBeforeJournal where isLocalCommit:
            step.commands += machine.branches.indices.filter {
                machine.branches[$0].commitMode == .twoPhase
            }.map { .commitPrepared(branch: $0) }
        case .readOnlyBeforeDecided where step.log == .decide(.commit):
            step.commands += machine.branches.indices.filter {
                machine.branches[$0].commitMode == .readOnly
            }.map { .release(branch: $0, .commit) }
        default: break
        }
    }

    private static let inventedEvidence = PreparedEvidence(
        transactionID: 1, owner: "tandem", systemIdentifier: "7000", timeline: 1,
        location: "0/16B3748")
}
