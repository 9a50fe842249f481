import Crypto
import Foundation

/// The key with which messages are signed, as Standard Webhooks writes it: `whsec_` and base64.
struct WebhookSecret: Sendable, Equatable, CustomStringConvertible {
    private let bytes: [UInt8]

    /// Reads a secret; nil unless it is of 24 to 64 bytes.
    init?(_ text: String) {
        guard text.hasPrefix("whsec_"), let data = Data(base64Encoded: String(text.dropFirst(6))),
            (24...64).contains(data.count)
        else { return nil }
        bytes = Array(data)
    }

    /// Never the secret.
    var description: String { "whsec_..." }

    /// The value of `webhook-signature` for a message.
    func signature(id: String, seconds: Int64, body: [UInt8]) -> String {
        let signed = Array("\(id).\(seconds).".utf8) + body
        let code = HMAC<SHA256>.authenticationCode(for: signed, using: SymmetricKey(data: bytes))
        return "v1," + Data(code).base64EncodedString()
    }
}
