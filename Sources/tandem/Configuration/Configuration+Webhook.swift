import Foundation
import HTTPServer

extension Configuration {
    /// Reads how operators are notified.
    static func webhook(_ root: ConfigurationSource, _ value: inout Configuration) {
        let source = root.section("webhook")
        value.webhook.receiver = receiver(source)
        source.integer(
            "intervalMilliseconds", in: 100...3_600_000, into: &value.webhook.intervalMilliseconds)
        source.integer("inDoubtSeconds", in: 1...86_400, into: &value.webhook.inDoubtSeconds)
        source.integer("lostSeconds", in: 1...86_400, into: &value.webhook.lostSeconds)
        source.integer("openAlerts", in: 1...1000, into: &value.webhook.openAlerts)
        source.integer("timeoutSeconds", in: 1...120, into: &value.webhook.timeoutSeconds)
        source.integer("retrySeconds", in: 2...3600, into: &value.webhook.retrySeconds)
        if value.webhook.retrySeconds <= value.webhook.timeoutSeconds {
            source.fault(
                "expected more than timeoutSeconds, so that no other replica sends a message meanwhile",
                key: "retrySeconds")
        }
        source.integer("retryHours", in: 1...720, into: &value.webhook.retryHours)
        var console: URL?
        source.address("console", suchAs: "https://tandem.internal", into: &console)
        if var text = console?.absoluteString {
            while text.hasSuffix("/") { text.removeLast() }
            value.webhook.console = text
        }
        source.refuseUnknown()
    }

    private static func receiver(_ source: ConfigurationSource) -> Webhook.Receiver? {
        var url: URL?
        source.address(
            "url", suchAs: "https://alerts.internal/tandem", isSecret: true, into: &url)
        var isPlainTextAllowed = false
        source.flag("allowPlainText", into: &isPlainTextAllowed)
        let text = secret("secret", source)
        guard let url else {
            if text != nil {
                source.fault("expected the address that messages are posted to", key: "url")
            }
            return nil
        }
        if url.scheme?.lowercased() == "http", !isPlainTextAllowed, !url.isOfLoopback {
            source.fault(
                "expected https, since others on the way could read and change the messages; or set "
                    + "webhook.allowPlainText: true if the way is safe", key: "url")
        }
        guard let text else {
            source.fault(
                "expected the key that messages are signed with, under secret or secretFile",
                key: "secret")
            return nil
        }
        guard let secret = WebhookSecret(text) else {
            // The message quotes nothing of it.
            source.fault(
                "expected whsec_ and 24 to 64 bytes in base64, as made by: "
                    + "echo \"whsec_$(openssl rand -base64 32)\"", key: "secret")
            return nil
        }
        return Webhook.Receiver(url: url, secret: secret)
    }
}

extension URL {
    /// Whether only programs on this machine can be at it.
    fileprivate var isOfLoopback: Bool {
        guard let host else { return false }
        return host == "localhost" || ListenAddress(host)?.isLoopback == true
    }
}
