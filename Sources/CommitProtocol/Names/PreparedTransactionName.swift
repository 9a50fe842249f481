/// The name given to `PREPARE TRANSACTION`: `tandem:<installation>:<transaction>:<branch>`.
///
/// It is unique per PostgreSQL *server* and readable by every role there, so it holds nothing
/// secret. At most 199 bytes may be used; ours are under 100. A name is rendered once, stored with
/// the transaction, and never rendered again from its parts.
public struct PreparedTransactionName: Hashable, Sendable, CustomStringConvertible {
    /// The exact text.
    public let description: String

    /// Renders the name of a branch.
    ///
    /// The installation is its UUID in lower case.
    public init(installation: String, transaction: GlobalTransactionID, branch: Int) {
        description = "tandem:\(installation):\(transaction):\(branch)"
    }

    /// Takes a name as it was stored.
    public init(stored text: String) {
        description = text
    }

    /// Whose a name is.
    public enum Ownership: Hashable, Sendable {
        /// Ours, and of this branch.
        case ours(GlobalTransactionID, branch: Int)
        /// Not of this installation, or not a name we would write: listed, never touched.
        case foreign
    }

    /// Reads a name found on a participant.
    ///
    /// Only the exact spelling counts as ours.
    public static func ownership(of text: String, installation: String) -> Ownership {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == "tandem", parts[1] == installation,
            let transaction = GlobalTransactionID(parts[2]),
            let branch = Int(parts[3]), branch >= 0, String(branch) == parts[3]
        else { return .foreign }
        return .ours(transaction, branch: branch)
    }
}
