import Foundation
import Testing

@testable import tandem

/// The section `webhook`, and what messages are signed with.
@Suite struct WebhookConfigurationTests {
    private static let secret = WebhookReceiver.secret

    private static func text(_ webhook: String) -> String {
        """
        state: { conninfo: "dbname=tandem" }
        participants: [{ name: users, conninfo: "dbname=users" }]
        webhook: { \(webhook) }
        """
    }

    @Test func signsAsStandardWebhooksDo() throws {
        // The code was computed by Python's hmac, with the bytes 0 to 31 as the key.
        let secret = try #require(WebhookSecret(Self.secret))
        #expect(
            secret.signature(id: "msg-1", seconds: 1_731_705_121, body: Array(#"{"a":1}"#.utf8))
                == "v1,DTZWcz2opdANtMPSCsm5HfxQ+9Fzz95qZnDHBsCUs3Q=")
        #expect("\(secret)" == "whsec_...")
    }

    @Test func isOffUnlessConfigured() throws {
        let configuration = try ConfigurationText.load(Self.text("inDoubtSeconds: 5"))
        #expect(configuration.webhook.receiver == nil)
    }

    @Test func readsAll() throws {
        try ConfigurationText.withFile(Self.secret + "\n") { path in
            let configuration = try ConfigurationText.load(
                Self.text(
                    "url: 'https://alerts.internal/x', secretFile: \(path), openAlerts: 7, "
                        + "console: 'https://tandem.internal/', lostSeconds: 8, retryHours: 9"))
            #expect(
                configuration.webhook.receiver?.url.absoluteString == "https://alerts.internal/x")
            #expect(configuration.webhook.receiver?.secret == WebhookSecret(Self.secret))
            #expect(configuration.webhook.console == "https://tandem.internal")
            #expect(configuration.webhook.openAlerts == 7)
            #expect(configuration.webhook.lostSeconds == 8)
            #expect(configuration.webhook.retryHours == 9)
        }
    }

    @Test(arguments: [
        "url: 'http://127.0.0.1:1/x'", "url: 'http://[::1]:1/x'", "url: 'http://localhost/x'",
        "url: 'http://alerts.internal/x', allowPlainText: true",
    ])
    func plainTextIsForThisMachineOrWithConsent(url: String) throws {
        let faults = try ConfigurationText.faults(Self.text("\(url), secret: '\(Self.secret)'"))
        #expect(faults == [])
    }

    @Test(arguments: [
        ("url: 'http://alerts.internal/x', secret: '\(secret)'", "webhook.url: expected https"),
        (
            "url: 'http://127.0.0.1.evil.example/x', secret: '\(secret)'",
            "webhook.url: expected https"
        ),
        ("url: 'ftp://alerts.internal/geheim'", "webhook.url: expected an address"),
        ("url: 'https://alerts.internal/x'", "webhook.secret: expected the key"),
        ("secret: '\(secret)'", "webhook.url: expected the address"),
        ("url: 'https://alerts.internal/x', secret: geheim", "webhook.secret: expected whsec_"),
        (
            "url: 'https://alerts.internal/x', secret: 'whsec_Z2VoZWlt'",
            "webhook.secret: expected whsec_"
        ),
        (
            "url: 'https://alerts.internal/x', secret: '\(secret)', timeoutSeconds: 20",
            "webhook.retrySeconds: expected more than timeoutSeconds"
        ),
        ("hidden: 1", "webhook.hidden: "),
    ])
    func faultsAreSpecificAndQuoteNoSecret(webhook: String, sentence: String) throws {
        let faults = try ConfigurationText.faults(Self.text(webhook))
        #expect(faults.count == 1, "\(faults)")
        #expect(faults.first?.contains(sentence) == true, "\(faults)")
        #expect(faults.first?.contains("geheim") == false)
        #expect(faults.first?.contains("AAECAw") == false)
    }
}
