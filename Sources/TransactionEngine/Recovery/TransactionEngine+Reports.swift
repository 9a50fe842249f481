public import CommitProtocol
import Logging

/// Prepared transactions that bear our name and that nobody here ends.
extension TransactionEngine {
    /// Why a prepared transaction stays although the scan has nothing to do about it; nil if somebody
    /// ends it.
    ///
    /// A row that another living replica drives is its affair: that one may work there as the role
    /// that prepared it, and reports it if not.
    func reasonToReport(
        _ found: PreparedTransaction, _ rows: [GlobalTransactionID: RowStanding],
        isDriven: (GlobalTransactionID) -> Bool
    ) -> String? {
        guard let id = transaction(of: found.found.name) else {
            return "its name begins as ours do, and is none that tandem gives"
        }
        let row = rows[id]
        switch found.claim {
        case .ours:
            guard let row, !row.gids.contains(found.found.name), row.row == .owned else {
                return nil
            }
            return "the row of its transaction names no such branch"
        case .otherRole, .otherDatabase:
            if row?.row == .owned, !isDriven(id) { return nil }
            return found.claim == .otherRole
                ? "role \"\(found.owner)\" prepared it, and this replica works there as another"
                : "it is in database \"\(found.database)\", where this replica works not at all, or "
                    + "as another role than \"\(found.owner)\""
        }
    }

    /// Leaves these prepared transactions of one participant to an operator; says so once of each, in
    /// not more than ten lines at a time.
    func report(_ found: [ReportedTransaction], in participant: String) {
        let new = found.filter { reported[$0.gid] == nil }
        for entry in new.prefix(10) {
            logger.error(
                "a prepared transaction is left to an operator",
                metadata: [
                    "gid": "\(entry.gid)", "participant": "\(participant)",
                    "reason": "\(entry.reason)", "owner": "\(entry.owner)",
                    "database": "\(entry.database)", "remedy": "\(entry.remedy)",
                    "ageSeconds": "\((clock.wallTime - entry.preparedAt) / 1_000_000)",
                ])
        }
        if new.count > 10 {
            logger.error(
                "more prepared transactions are left to an operator; see /v1/participants",
                metadata: ["participant": "\(participant)", "count": "\(new.count - 10)"])
        }
        reported = reported.filter { $1.participant != participant }
        for entry in found { reported[entry.gid] = entry }
    }

    /// What the scans leave to an operator, in one participant.
    public func reportedTransactions(in participant: String) -> [ReportedTransaction] {
        reported.values.filter { $0.participant == participant }.sorted { $0.gid < $1.gid }
    }

    func reported(_ id: GlobalTransactionID, _ branch: Int) -> ReportedTransaction? {
        reported.values.first { entry in
            PreparedTransactionName.ownership(of: entry.gid, installation: log.installation)
                == .ours(id, branch: branch)
        }
    }
}

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
            case nil: return "Nothing is decided yet. Wait for the decision, which this will tell."
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
