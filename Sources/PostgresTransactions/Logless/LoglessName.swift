package import CommitProtocol

/// The name of a prepared transaction of a coordinator without a decision log:
/// `tandem-library:<coordinator>:<transaction>:<branch>.<branches>`.
///
/// No scan takes it for a name of its installation. The branches of one transaction share everything up to
/// the last colon, and each name holds the number of branches.
package struct LoglessName: Hashable, Sendable, CustomStringConvertible {
    /// The beginning of every such name.
    package static let prefix = "tandem-library:"

    /// The coordinator's random name, which its sessions have as well.
    package let coordinator: String
    /// The transaction within that coordinator.
    package let transaction: GlobalTransactionID
    /// The branch's number.
    package let branch: Int
    /// How many branches the transaction has.
    package let branchCount: Int

    package init(
        coordinator: String, transaction: GlobalTransactionID, branch: Int, branchCount: Int
    ) {
        self.coordinator = coordinator
        self.transaction = transaction
        self.branch = branch
        self.branchCount = branchCount
    }

    /// Reads a name; nil if it is not exactly one of these.
    package init?(_ text: String) {
        guard text.hasPrefix(Self.prefix) else { return nil }
        let parts = text.dropFirst(Self.prefix.count)
            .split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, let transaction = GlobalTransactionID(parts[1]) else { return nil }
        let counts = parts[2].split(separator: ".", omittingEmptySubsequences: false)
        guard counts.count == 2, let branch = Int(counts[0]), let branchCount = Int(counts[1])
        else { return nil }
        self.init(
            coordinator: String(parts[0]), transaction: transaction, branch: branch,
            branchCount: branchCount)
        guard description == text else { return nil }
    }

    /// The part that the branches of one transaction share, by which an operator names it.
    package var group: String { "\(coordinator):\(transaction)" }

    /// The exact name.
    package var description: String { "\(Self.prefix)\(group):\(branch).\(branchCount)" }

    /// Makes a name for a coordinator of 128 random bits.
    package static func newCoordinator(random: () -> UInt64) -> String {
        let digits = (0..<2).map { _ in
            let text = String(random(), radix: 16)
            return String(repeating: "0", count: 16 - text.utf8.count) + text
        }
        return digits.joined()
    }
}
