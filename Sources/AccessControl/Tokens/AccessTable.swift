/// The tokens that are known, and the principals that they stand for.
package struct AccessTable: Sendable {
    /// One token.
    package struct Entry: Sendable {
        /// The digest of the token.
        package let digest: TokenDigest
        let principal: Principal
        let expiresAt: Int64

        /// Makes an entry.
        ///
        /// - Parameter expiresAt: When the token ends, in microseconds since 1970.
        package init(_ digest: TokenDigest, of principal: Principal, expiresAt: Int64) {
            self.digest = digest
            self.principal = principal
            self.expiresAt = expiresAt
        }
    }

    /// By the first bytes of their digests.
    ///
    /// How long the lookup takes may say something about these bytes. They are the start of a SHA-256 of
    /// the very text that was sent, which its sender knows anyway, and which says nothing of a token that
    /// it does not know.
    private let entries: [UInt64: [Entry]]

    /// Makes a table.
    package init(_ entries: [Entry]) {
        self.entries = Dictionary(grouping: entries, by: \.digest.prefix)
    }

    /// How many tokens there are.
    package var count: Int { entries.values.reduce(0) { $0 + $1.count } }

    /// The entry of a token.
    func entry(of token: String) -> Entry? {
        let hash = TokenDigest.hash(token)
        return entries[TokenDigest.prefix(hash)]?.first { $0.digest.isSame(as: hash) }
    }
}
