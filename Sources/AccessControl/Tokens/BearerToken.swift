/// A secret that a caller shows to be taken for a principal.
package struct BearerToken: Sendable {
    /// What the caller sends after `Bearer`.
    package let text: String

    /// What every token begins with, so that people and scanners for secrets know one when they see it.
    private static let prefix = "tandem_"

    /// Makes a new token of 256 random bits.
    package init(using generator: inout some RandomNumberGenerator) {
        let alphabet = Array(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        // 43 characters of 6 bits: 256 bits and two that are not needed.
        let characters = (0..<43).map { _ in alphabet[Int.random(in: 0..<64, using: &generator)] }
        text = Self.prefix + String(decoding: characters, as: UTF8.self)
    }

    /// What is kept of it.
    package var digest: TokenDigest { TokenDigest(of: text) }
}
