internal import CommitProtocol

/// Mistakes of a machine; each must break a rule.
package enum BrokenMachine: CaseIterable, Hashable, Sendable {
    /// Takes an unknown decision for an abort.
    case unknownDecisionIsAbort
    /// Takes an unknown decision for the requested commit.
    case unknownDecisionIsCommit
    /// Takes an unknown acceptance for a refusal.
    case unknownAcceptanceIsRefusal
    /// Repeats the accept instead of writing a tombstone.
    case acceptedAgain
    /// Commits branches while the decision is being written.
    case commitBeforeDecided
    /// Replies while the decision is being written.
    case answeredBeforeDecided
    /// Rolls a doubtful branch back without the fence.
    case unfenced
    /// Takes a refusal for a yes.
    case refusalIsYes
    /// Takes a branch prepared against its vote for one that is not prepared.
    case preparedAgainstVoteIsRefused
    /// Ignores a vote after the abort.
    case lateVoteDropped
    /// Does not obey another replica's commit.
    case foreignCommitIsAbort
    /// Replies "committed" before the commit point's COMMIT is confirmed.
    case answeredBeforeTag
    /// Commits other branches before the journal has decided.
    case siblingsBeforeJournal
    /// Takes a commit point that did not answer for rolled back.
    case unknownCommitPointIsAbort
    /// Takes a commit point that did not answer for committed.
    case unknownCommitPointIsCommit
    /// Commits a read-only branch while the decision is being written.
    case readOnlyBeforeDecided

    /// Returns the event as the mistaken machine handles it; nil if it ignores the event.
    func altered(_ event: Event, _ machine: TransactionMachine) -> Event? {
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

    /// Changes a step as the mistaken machine does.
    func alter(_ step: inout Step, _ machine: TransactionMachine) {
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
