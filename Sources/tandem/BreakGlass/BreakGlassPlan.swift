import CommitProtocol
import TransactionEngine

/// Which prepared transactions a person may finish by hand, and how, from the log alone.
///
/// The rules are those of docs/PROTOCOL.md. A decision in the row is final, however old the snapshot is.
/// The lack of one proves nothing, unless the snapshot is known to be the last state; and where a branch
/// is the commit point, that participant has to be asked in any case.
struct BreakGlassPlan {
    /// One statement for one branch.
    struct Statement: Equatable {
        enum Verb: String {
            case commit = "COMMIT PREPARED"
            case rollBack = "ROLLBACK PREPARED"
        }

        let transaction: GlobalTransactionID
        let branch: Int
        let place: StateSnapshot.PlaceKey
        let verb: Verb
        let gid: String
        /// What was recorded when the branch was prepared; nil if it may never have been.
        let evidence: PreparedEvidence?
        /// Whether an operator has resolved the branch as the decision says.
        ///
        /// That may have been a remark about what had happened, or an order that nobody has carried
        /// out: the branch may be finished, and may be prepared.
        let isResolved: Bool

        /// Whether the prepared transaction need not be there.
        var isUnsure: Bool { isResolved || evidence == nil && verb == .rollBack }

        static func == (one: Self, other: Self) -> Bool {
            one.gid == other.gid && one.verb == other.verb
        }
    }

    /// A transaction for which no statement may be printed that runs by itself.
    struct Open {
        enum Reason: Equatable {
            /// The snapshot may be too old: a decision may have been recorded since.
            case undecided
            /// The quarantine, or the server itself, says that decisions may be lost.
            case decisionMayBeLost(String)
            /// The commit point is gone or changed.
            case undecidable
            /// The status of the one-phase branch's transaction id is the decision.
            case asksOnePhase(branch: Int, PreparedEvidence)
            /// One-phase without evidence, which tandem does not write.
            case asksOnePhaseWithoutEvidence(branch: Int)
            /// The journal holds the decision.
            case asksJournal(branch: Int, ServerTimeline)
        }

        let row: StateSnapshot.Row
        let reason: Reason
    }

    /// A remark about a branch that needs no statement, but a look.
    struct Note: Equatable {
        let transaction: GlobalTransactionID
        let text: String
    }

    /// Decided to commit: these come first, since others may have seen the commit.
    private(set) var commits: [Statement] = []
    /// Decided to abort.
    private(set) var aborts: [Statement] = []
    /// Undecided, and aborted because the snapshot is the last state.
    private(set) var presumedAborts: [Statement] = []
    private(set) var open: [Open] = []
    private(set) var notes: [Note] = []

    init(_ snapshot: StateSnapshot, isLastState: Bool) {
        for row in snapshot.transactions {
            switch row.decision {
            case .commit: commits += statements(.commit, row)
            case .abort: aborts += statements(.rollBack, row)
            case nil:
                guard let reason = Self.reason(row, snapshot, isLastState: isLastState) else {
                    presumedAborts += statements(.rollBack, row)
                    continue
                }
                open.append(Open(row: row, reason: reason))
            }
        }
    }

    /// Why an undecided transaction may not be rolled back; nil if it may.
    private static func reason(
        _ row: StateSnapshot.Row, _ snapshot: StateSnapshot, isLastState: Bool
    ) -> Open.Reason? {
        if row.state == .needsOperator { return .undecidable }
        let number = row.id.number
        // A commit point in a participant is asked first: its answer counts even if the log has lost
        // what it knew.
        if let journal = row.journal {
            let branch = row.branches.first { $0.mode == .journal }
            return .asksJournal(branch: branch?.number ?? 0, journal)
        }
        if row.isDelegated {
            let branch = row.branches.first { $0.mode == .onePhase }
            guard let branch, let evidence = branch.evidence else {
                return .asksOnePhaseWithoutEvidence(branch: branch?.number ?? 0)
            }
            return .asksOnePhase(branch: branch.number, evidence)
        }
        if number < snapshot.quarantinedBelow {
            return .decisionMayBeLost(
                "the state database had changed its server before, and the quarantine holds it")
        }
        if let doubt = snapshot.doubt { return .decisionMayBeLost(doubt) }
        return isLastState ? nil : .undecided
    }

    private mutating func statements(
        _ verb: Statement.Verb, _ row: StateSnapshot.Row
    ) -> [Statement] {
        if row.isDecidedByOperator {
            let commitPoint = row.branches.first { $0.mode.isCommitPoint }
            notes.append(
                Note(
                    transaction: row.id,
                    text: "an operator forced the decision; branch \(commitPoint?.number ?? 0) in "
                        + "\(commitPoint?.place.participant ?? "?"), the commit point, may have ended "
                        + "otherwise"))
        }
        return row.branches.compactMap { branch in
            // Others hold no prepared transaction: their session, and with it their work, is gone or
            // has committed by itself.
            guard branch.mode == .twoPhase else { return nil }
            if let outcome = branch.outcome {
                if !outcome.isAsDecided {
                    notes.append(
                        Note(
                            transaction: row.id,
                            text: "branch \(branch.number) in \(branch.place.participant) ended as "
                                + "\(outcome.rawValue), not as decided; it needs an operator and no "
                                + "statement"))
                }
                return nil
            }
            let agreed = verb == .commit ? "committed" : "rolledBack"
            if let resolution = branch.resolution, resolution != agreed {
                notes.append(
                    Note(
                        transaction: row.id,
                        text:
                            "branch \(branch.number) in \(branch.place.participant): an operator has "
                            + "stated that it is \(resolution), against the decision; no statement is "
                            + "printed for it"))
                return nil
            }
            return Statement(
                transaction: row.id, branch: branch.number, place: branch.place, verb: verb,
                gid: branch.gid, evidence: branch.evidence, isResolved: branch.resolution != nil)
        }
    }
}
