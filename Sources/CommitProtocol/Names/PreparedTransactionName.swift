/// The name given to `PREPARE TRANSACTION`: `tandem:<installation>:<transaction>:<branch>`.
///
/// A name is unique per PostgreSQL *server* and readable by every role there, so it holds no secret.
/// PostgreSQL allows 199 bytes; these names use fewer than 100. A name is made once, stored with the
/// transaction, and never made again from its parts.
package struct PreparedTransactionName: Hashable, Sendable, CustomStringConvertible {
    /// The exact text.
    package let description: String

    /// Makes the name of a branch; the installation is a UUID in lower case.
    package init(installation: String, transaction: GlobalTransactionID, branch: Int) {
        description = "tandem:\(installation):\(transaction):\(branch)"
    }

    /// Makes a name from its stored text.
    package init(stored text: String) {
        description = text
    }

    /// The installation that a name belongs to.
    package enum Ownership: Hashable, Sendable {
        /// This installation, this branch.
        case ours(GlobalTransactionID, branch: Int)
        /// Another installation or program; tandem never touches it.
        case foreign
    }

    /// Reads a name found on a participant; only the exact spelling is `ours`.
    package static func ownership(of text: String, installation: String) -> Ownership {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == "tandem", parts[1] == installation,
            let transaction = GlobalTransactionID(parts[2]),
            let branch = Int(parts[3]), branch >= 0, String(branch) == parts[3]
        else { return .foreign }
        return .ours(transaction, branch: branch)
    }
}
