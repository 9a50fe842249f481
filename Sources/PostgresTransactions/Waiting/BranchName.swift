import CommitProtocol

/// The transaction and the branch that a gid names, with a log or without.
struct BranchName: Hashable {
    /// The part that all branches of the transaction share.
    let transaction: Substring
    let branch: Int

    /// Reads a name of this program; of another it makes nil, or something that is no branch's name.
    init?(_ gid: String) {
        guard let colon = gid.lastIndex(of: ":"),
            let branch = Int(gid[gid.index(after: colon)...].prefix { $0 != "." })
        else { return nil }
        transaction = gid[..<colon]
        self.branch = branch
    }

    /// The transaction's id, if it is one of this installation, or of this coordinator without a log.
    func id(in installation: String) -> GlobalTransactionID? {
        let parts = transaction.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[1] == installation else { return nil }
        return GlobalTransactionID(parts[2])
    }
}
