public import CommitProtocol

extension PreparedTransaction {
    /// What an operator can do: about what is ours by a resolution, about the rest in the database.
    public func remedy(
        _ transaction: GlobalTransactionID?, _ row: RowStanding?, mayHaveLostRow: Bool
    ) -> String {
        let name = found.name
        let isNamed = row?.gids.contains(name) ?? false
        if let id = transaction, claim == .ours, row == nil || isNamed {
            return "Find out how the other branches ended, then POST "
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
            ? "Its row may be lost, so find out how the other branches ended; then, \(place), run "
                + "\(run("COMMIT")) or \(run("ROLLBACK"))."
            : "Nothing says that it was committed: \(place), run \(run("ROLLBACK"))."
    }
}

/// What a scan learns of a row.
public struct RowStanding: Sendable, Hashable {
    /// Who drives it, or how it ended.
    public let row: RecoveryPlan.Row
    /// The decision, if there is one.
    public let decision: Decision?
    /// The gids of its branches.
    public let gids: [String]

    /// Makes it of its parts.
    public init(row: RecoveryPlan.Row, decision: Decision?, gids: [String]) {
        self.row = row
        self.decision = decision
        self.gids = gids
    }
}

/// A prepared transaction that bears our name and is left alone until an operator has looked.
public struct ReportedTransaction: Sendable, Hashable {
    /// The participant.
    public let participant: String
    /// The name given to PREPARE TRANSACTION.
    public let gid: String
    /// Why nothing is done about it.
    public let reason: String
    /// What an operator can do.
    public let remedy: String
    /// The role that prepared it.
    public let owner: String
    /// The database that it is in.
    public let database: String
    /// When it was prepared.
    public let preparedAt: Timestamp
    /// Whether it may be ended from here, by a resolution.
    public let isOurs: Bool
}
