internal import CommitProtocol

/// An order on its way.
struct Flight: Hashable, Sendable {
    enum Order: Hashable { case log(LogRequest), branch(BranchCommand) }

    /// Who hears the answer; nil once the sender is gone or has given it up.
    var incarnation: Int?
    /// Who sent it.
    let sender: Int
    let order: Order
    /// What the sender knew when it sent the order.
    let evidence: [PreparedEvidence?]
    let outcomes: [Outcome?]
    let decision: Decision?
    /// The mistake of `readThenAct`: the row was read when the order was sent, and was decided.
    let hasReadDecided: Bool
    /// When it arrives.
    var due: Int64
}

/// How an order goes.
enum Fate: Hashable {
    /// Carried out and answered.
    case done
    /// The participant says no.
    case refused
    /// Prepared, and an expectation missed.
    case against
    /// The state database is known not to have it.
    case unavailable
    /// Carried out; the answer is lost.
    case lostReply
    /// Visible to others, not durable, and not answered.
    case onlyVisible
    /// Never carried out, and nobody knows.
    case lost
    /// Given up by its sender, and carried out later.
    case late

    /// The fates, beside being done, that an order can meet.
    static func faulty(_ order: Flight.Order, _ commitMode: (Int) -> CommitMode) -> [Fate] {
        switch order {
        case .log(.accept): [.unavailable, .lostReply, .lost, .late]
        case .log(.decide): [.lostReply, .onlyVisible, .lost, .late]
        case .log(.tombstone), .log(.delegate), .log(.copy): [.lostReply, .lost, .late]
        case .log(.finish): [.onlyVisible, .lost, .late]
        case .log(.report), .log(.noteOutcomes): [.lost, .late]
        case .branch(.work(let branch)):
            commitMode(branch) == .twoPhase
                ? [.refused, .against, .lostReply, .lost, .late]
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
