import CommitProtocol

/// Mistakes that a coordinator could make; each must be caught by some rule.
enum BrokenMachine: CaseIterable, Sendable {
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

    /// What the mistaken machine makes of an event; nil where it ignores it.
    func hears(_ event: Event, _ machine: Coordinator) -> Event? {
        switch (self, event) {
        case (.unknownDecisionIsAbort, .decisionUnknown): .decided(.abort)
        case (.unknownDecisionIsCommit, .decisionUnknown):
            machine.phase == .deciding(.commit, viaTombstone: false) ? .decided(.commit) : event
        case (.unknownAcceptanceIsRefusal, .acceptUnknown): .acceptRefused
        case (.refusalIsYes, .voted(let branch, .refused)): .yes(branch)
        case (.preparedAgainstVoteIsRefused, .voted(let branch, .preparedAgainstVote)):
            .voted(branch: branch, .refused)
        case (.lateVoteDropped, .voted): machine.state == .aborting ? nil : event
        case (.foreignCommitIsAbort, .decided):
            machine.phase == .deciding(.abort, viaTombstone: false) ? .decided(.abort) : event
        default: event
        }
    }

    /// What the mistaken machine makes of a step.
    func says(_ step: inout Step, _ machine: Coordinator) {
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
        default: break
        }
    }
}
