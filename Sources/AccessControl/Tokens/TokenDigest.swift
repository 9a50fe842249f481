import Crypto

/// The SHA-256 of a token.
///
/// It is all that is kept of a token. A token has 256 random bits, so no salt and no slow hash is needed:
/// no list of likely tokens exists that could be hashed and looked up.
package struct TokenDigest: Sendable, Hashable {
    private let bytes: [UInt8]

    /// The digest of a token's text.
    package init(of token: String) {
        bytes = Array(Self.hash(token))
    }

    /// Reads 64 hexadecimal digits.
    package init?(hexadecimal text: String) {
        let digits = text.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        guard digits.count == 64, text.utf8.count == 64 else { return nil }
        bytes = stride(from: 0, to: 64, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    /// The digest as 64 hexadecimal digits.
    package var hexadecimal: String {
        bytes.map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }

    /// The first eight bytes, for a table.
    var prefix: UInt64 { Self.prefix(bytes) }

    /// The hash of a token's text, from which a digest is made, or with which it is compared.
    static func hash(_ token: String) -> SHA256Digest {
        var token = token
        return token.withUTF8 { bytes in
            var hash = SHA256()
            hash.update(bufferPointer: UnsafeRawBufferPointer(bytes))
            return hash.finalize()
        }
    }

    static func prefix(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Whether this is the digest of that hash, in a time that does not depend on where they differ.
    func isSame(as hash: SHA256Digest) -> Bool { hash == bytes }
}
