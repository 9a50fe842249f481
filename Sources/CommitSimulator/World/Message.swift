internal import CommitProtocol

/// A log request or branch command that was sent.
struct Message: Hashable, Sendable {
    enum Content: Hashable { case log(LogRequest), branch(BranchCommand) }

    /// The incarnation that waits for the answer; nil if it is gone or has given up.
    var incarnation: Int?
    /// The incarnation that sent it.
    let sender: Int
    let content: Content
    /// What the sender knew at that time.
    let evidence: [PreparedEvidence?]
    let outcomes: [Outcome?]
    let decision: Decision?
    /// For the mistake `readThenAct`: whether the row was decided when the message was sent.
    let hasReadDecided: Bool
    /// When it arrives.
    var due: Int64
}

/// What happens to a message.
enum Fate: Hashable {
    /// Executed and answered.
    case done
    /// The participant refuses.
    case refused
    /// Prepared, but an expectation was missed.
    case preparedAgainstVote
    /// Certainly not executed by the state database.
    case unavailable
    /// Executed, but the answer is lost.
    case lostReply
    /// Visible but not durable, and not answered.
    case onlyVisible
    /// Neither executed nor answered.
    case lost
    /// Executed after its sender has given up.
    case late

    /// The possible faults of a message.
    static func faulty(_ content: Message.Content, _ commitMode: (Int) -> CommitMode) -> [Fate] {
        switch content {
        case .log(.accept): [.unavailable, .lostReply, .lost, .late]
        case .log(.decide): [.lostReply, .onlyVisible, .lost, .late]
        case .log(.finish): [.onlyVisible, .lost, .late]
        case .log(let request): request.isLazy ? [.lost, .late] : [.lostReply, .lost, .late]
        case .branch(.work(let branch)):
            commitMode(branch) == .twoPhase
                ? [.refused, .preparedAgainstVote, .lostReply, .lost, .late]
                : [.refused, .lostReply, .lost, .late]
        case .branch(.commitLocally): [.refused, .lostReply, .lost, .late]
        case .branch(.commitPrepared), .branch(.rollbackPrepared), .branch(.fenceAndRollBack),
            .branch(.queryCommitPoint):
            [.lostReply, .lost, .late]
        case .branch(.release): [.lostReply, .lost]
        case .branch(.cancel): []
        }
    }
}
