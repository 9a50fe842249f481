package import CommitProtocol

extension PreparedTransaction {
    /// What an operator can do: about what is ours by a resolution, about the rest in the database.
    package func remedy(
        _ transaction: GlobalTransactionID?, _ row: RowStanding?, mayHaveLostRow: Bool
    ) -> String {
        let name = found.name
        let isNamed = row?.gids.contains(name) ?? false
        if let id = transaction, claim == .ours, row == nil || isNamed {
            return "Find out how the other branches were finished, then POST "
                + "/v1/transactions/\(id)/resolution "
                + (row == nil ? "with If-Match: *." : "with the entity tag of its status.")
        }
        let place = "as role \"\(owner)\" or a superuser, in database \"\(database)\""
        let literal = "'\(name.replacing("'", with: "''"))'"
        func run(_ verb: String) -> String { "\(verb) PREPARED \(literal)" }
        if let row, isNamed {
            switch row.decision {
            case .commit: return "The decision is to commit: \(place), run \(run("COMMIT"))."
            case .abort: return "The decision is to abort: \(place), run \(run("ROLLBACK"))."
            case nil: return "Nothing is decided yet. Wait for the decision, then read this again."
            }
        }
        return mayHaveLostRow && row == nil
            ? "Its row may be lost, so find out how the other branches were finished; then, "
                + "\(place), run \(run("COMMIT")) or \(run("ROLLBACK"))."
            : "Nothing says that it was committed: \(place), run \(run("ROLLBACK"))."
    }
}

/// What a scan learns of a row.
package struct RowStanding: Sendable, Hashable {
    /// Who owns it, or how it ended.
    package let row: RecoveryPlan.Row
    /// The decision, if there is one.
    package let decision: Decision?
    /// The gids of its branches.
    package let gids: [String]

    package init(row: RecoveryPlan.Row, decision: Decision?, gids: [String]) {
        self.row = row
        self.decision = decision
        self.gids = gids
    }
}

/// A prepared transaction that bears our name and is left alone until an operator has looked.
package struct ReportedTransaction: Sendable, Hashable {
    /// The participant.
    package let participant: String
    /// The name given to PREPARE TRANSACTION.
    package let gid: String
    /// Why nothing is done about it.
    package let reason: String
    /// What an operator can do.
    package let remedy: String
    /// The role that prepared it.
    package let owner: String
    /// The database that it is in.
    package let database: String
    /// When it was prepared.
    package let preparedAt: Timestamp
    /// Whether it may be ended from here, by a resolution.
    package let isOurs: Bool
    /// The branch that it is, if its name is of the form that tandem gives.
    package let branch: Branch?

    /// A branch, as a gid names it.
    package struct Branch: Sendable, Hashable {
        /// Its transaction.
        package let transaction: GlobalTransactionID
        /// Its number there.
        package let number: Int
        /// Whether there is a row of the transaction.
        package let hasRow: Bool
    }

    /// The branch that a resolution can end although no row records it.
    package var rowless: Branch? { branch.flatMap { isOurs && !$0.hasRow ? $0 : nil } }
}
