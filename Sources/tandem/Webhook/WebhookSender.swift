import Foundation

/// Posts messages to the receiver, signed as Standard Webhooks has it.
struct WebhookSender: Sendable {
    private let post: OutgoingPost
    private let secret: WebhookSecret

    init(_ receiver: Configuration.Webhook.Receiver, timeout: Duration) {
        post = OutgoingPost(url: receiver.url, timeout: timeout)
        secret = receiver.secret
    }

    /// Sends a message once; returns why it was not taken, or nil.
    ///
    /// The reason names nothing of the address, which may hold a secret.
    func send(_ message: WebhookMessage, at seconds: Int64) async -> String? {
        let signature = secret.signature(id: message.id, seconds: seconds, body: message.body)
        do {
            let status = try await post.send(
                message.body, type: "application/json",
                fields: [
                    ("webhook-id", message.id), ("webhook-timestamp", "\(seconds)"),
                    ("webhook-signature", signature),
                ])
            return (200..<300).contains(status) ? nil : "status \(status)"
        } catch let error as URLError {
            return "the connection failed with error \(error.code.rawValue)"
        } catch {
            return "the connection failed"
        }
    }
}
