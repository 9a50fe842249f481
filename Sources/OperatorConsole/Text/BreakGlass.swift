import CommitProtocol
import TransactionEngine

/// The statement that finishes a branch by hand where tandem cannot, or why there is none.
///
/// There is one only if the decision is known to be durable, which a reported decision is: then a
/// person can do nothing but what the coordinator would.
enum BreakGlass {
    /// This statement, as this role, in the participant's database.
    case statement(String, role: String?, server: String?, isCertainlyPrepared: Bool)
    /// None, for this reason, which says what to do as well.
    case none(String)

    /// What can be done about a branch that has not ended.
    init(_ branch: BranchRecord, of record: TransactionRecord) {
        guard !record.isHeld else {
            self = .none(
                "The decision may be lost, so neither statement is safe. Resolve the transaction "
                    + "instead.")
            return
        }
        guard let decision = record.decision else {
            self = .none(Self.undecided(record))
            return
        }
        guard branch.commitMode == .twoPhase else {
            self = .none(
                "This branch is not prepared, so there is no statement that would finish it. tandem "
                    + "ends its session, or reads how it ended.")
            return
        }
        let verb = decision == .commit ? "COMMIT" : "ROLLBACK"
        self = .statement(
            "\(verb) PREPARED '\(branch.gid.replacing("'", with: "''"))';",
            role: branch.evidence?.owner, server: branch.evidence?.systemIdentifier,
            isCertainlyPrepared: branch.evidence != nil)
    }

    private static func undecided(_ record: TransactionRecord) -> String {
        if record.state == .needsOperator {
            return "The decision cannot be found out, so neither statement is known to be right. "
                + "Resolve the branches instead."
        }
        if let commitPoint = record.branches.first(where: \.commitMode.isCommitPoint) {
            return
                "No decision is known here, and \(commitPoint.participant), the commit point, may "
                + "hold one: either statement could contradict it. Bring \(commitPoint.participant) back."
        }
        return
            "Nothing is decided yet, and either statement could contradict the decision. Roll the "
            + "transaction back instead, or wait: at its deadline it is aborted."
    }
}
