/// Plans what to do about the prepared transactions that a scan of a participant found.
///
/// The order of the reads is the argument: P, the list of prepared transactions; then A, which of
/// these transactions this replica has active; then T, the rows; then Q, the prepared transactions
/// again. A gid in P whose transaction finished between P and A is missing from Q, so it is left
/// alone. A gid that was prepared after P is left for the next pass. A gid in P and Q but not in A is
/// not this replica's work. Another replica may still work on it: the row says so (`owned`), or,
/// where there is no row yet, the grace period protects it.
package struct RecoveryPlan: Hashable, Sendable {
    /// A prepared transaction in the participant's list.
    package struct Found: Hashable, Sendable {
        /// The gid.
        package let name: String
        /// The age in seconds, by the participant's clock.
        package let ageSeconds: Double

        package init(name: String, ageSeconds: Double) {
            self.name = name
            self.ageSeconds = ageSeconds
        }
    }

    /// The state of a transaction's row.
    package enum Row: Hashable, Sendable {
        /// Unfinished, and owned by a living replica.
        case owned
        /// Unfinished, and without a living owner.
        case adoptable
        /// Finished; a gid that still exists has reappeared.
        case finished(Decision)
        /// There is no row.
        case missing
    }

    /// What to do about a gid.
    package enum Action: Hashable, Sendable {
        /// Take over its transaction.
        case adopt(GlobalTransactionID)
        /// Its row has finished: roll the gid back, or report it if the row says commit.
        case finish(GlobalTransactionID, branch: Int, name: String, Decision)
        /// Insert an abort tombstone on the primary key, then roll the gid back.
        case tombstone(GlobalTransactionID, branch: Int, name: String)
        /// Report it to an operator: its row may have been removed, so nothing is proved.
        case report(name: String)
    }

    /// Returns the actions of a pass, in the order of `prepared`.
    ///
    /// `rows` and `active` answer for the ids in `prepared` (P); `preparedAgain` is Q.
    package static func actions(
        prepared: [Found], active: (GlobalTransactionID) -> Bool,
        rows: (GlobalTransactionID) -> Row, preparedAgain: [Found], installation: String,
        graceSeconds: Double, lowWaterMark: Int64
    ) -> [Action] {
        // There may be thousands, so look them up in a set.
        let preparedStill = Set(preparedAgain.map(\.name))
        var adopted: Set<GlobalTransactionID> = []
        var actions: [Action] = []
        for found in prepared {
            guard
                case .ours(let transaction, let branch) = PreparedTransactionName.ownership(
                    of: found.name, installation: installation),
                !active(transaction),
                preparedStill.contains(found.name)
            else { continue }
            switch rows(transaction) {
            case .owned:
                continue
            case .adoptable:
                if adopted.insert(transaction).inserted { actions.append(.adopt(transaction)) }
            case .finished(let decision):
                actions.append(.finish(transaction, branch: branch, name: found.name, decision))
            case .missing where transaction.number < lowWaterMark:
                actions.append(.report(name: found.name))
            case .missing where found.ageSeconds < graceSeconds:
                continue
            case .missing:
                actions.append(.tombstone(transaction, branch: branch, name: found.name))
            }
        }
        return actions
    }
}
