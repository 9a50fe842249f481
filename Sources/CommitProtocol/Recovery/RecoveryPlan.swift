/// What one pass over a participant found, and what follows from it.
///
/// The order of the looks is the argument. P, the prepared list, comes first; then A, the
/// transactions that live coordinators are driving; then T, the rows; then Q, the prepared list
/// again. A gid in P whose coordinator finished between P and A is missing from Q, so it is left
/// alone; one that was prepared after P is left for the next pass; one that is in P and Q and not
/// in A was prepared by nobody who is still at work on it.
public struct RecoveryPlan: Hashable, Sendable {
    /// A prepared transaction as the participant lists it.
    public struct Found: Hashable, Sendable {
        /// Its name.
        public let name: String
        /// Its age in seconds, by the participant's own clock.
        public let ageSeconds: Double

        /// Makes an entry of its parts.
        public init(name: String, ageSeconds: Double) {
            self.name = name
            self.ageSeconds = ageSeconds
        }
    }

    /// What is known of a row.
    public enum Row: Hashable, Sendable {
        /// Undecided, or decided and unfinished, and somebody alive owns it.
        case owned
        /// Nobody alive drives it: it is to be adopted.
        case adoptable
        /// Finished; a gid that is still there was resurrected.
        case finished(Decision)
        /// There is no row.
        case missing
    }

    /// What to do about one gid.
    public enum Action: Hashable, Sendable {
        /// Take the transaction over.
        case adopt(GlobalTransactionID)
        /// The row ended long ago: roll this gid back, or report it if the row says commit.
        case end(GlobalTransactionID, branch: Int, name: String, Decision)
        /// Insert an abort tombstone on the primary key, then roll back.
        case tombstone(GlobalTransactionID, branch: Int, name: String)
        /// Its row may have been removed already: nothing is proved, an operator decides.
        case report(name: String)
    }

    /// Plans a pass.
    ///
    /// `rows` and `active` answer for the ids in P; the order of `prepared` is kept.
    public static func actions(
        prepared: [Found], active: (GlobalTransactionID) -> Bool,
        rows: (GlobalTransactionID) -> Row, preparedAgain: [Found], installation: String,
        graceSeconds: Double, lowWaterMark: Int64
    ) -> [Action] {
        // There may be thousands of them, so none is looked for by going through all.
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
                actions.append(.end(transaction, branch: branch, name: found.name, decision))
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
