import AccessControl
import EventLoop
import Foundation
import Testing

@testable import tandem

/// What an access file may say, and what is said of one with faults.
@Suite struct AccessFileTests {
    private static let digest = String(repeating: "0a", count: 32)
    private static let token = "{ sha256: \(digest), expires: \"2030-01-01T00:00:00Z\" }"

    private static func faults(_ text: String) -> [String] {
        do {
            _ = try AccessFile.table(of: Data(text.utf8), path: "access.yaml")
            return []
        } catch {
            return error.faults
        }
    }

    private static func faults(ofPrincipal text: String) -> [String] {
        faults("principals:\n  - { \(text) }")
    }

    @Test @LoopActor func readsPrincipalsAndTokens() throws {
        let file = """
            principals:
              - name: checkout
                scopes: [transactions:run]
                participants: [users, orders]
                tokens:
                  - sha256: \(TokenDigest(of: "one").hexadecimal)
                    expires: 2030-01-01T00:00:00Z
                  - sha256: \(TokenDigest(of: "two").hexadecimal)
                    expires: 2030-01-01T01:00:00+01:00
                    scopes: [transactions:read]
              - { name: ops, scopes: [operate] }
            """
        let table = try AccessFile.table(of: Data(file.utf8), path: "access.yaml")
        #expect(table.count == 2)
        let end: Int64 = 1_893_456_000_000_000
        let now = Lock(end - 1)
        let gate = AccessGate(table: table, wallTime: { now.withLock { $0 } })
        let one = try gate.principal { .token("one") }
        #expect(one.name == "checkout" && one.may(.run) && one.may(.read) && !one.may(.operate))
        #expect(one.mayUse("users") && one.mayUse("orders") && !one.mayUse("ledger"))
        let two = try gate.principal { .token("two") }
        #expect(two.name == "checkout" && two.may(.read) && !two.may(.run))
        now.withLock { $0 = end }
        for token in ["one", "two"] {
            #expect(throws: AccessDenial.tokenExpired(principal: "checkout")) {
                try gate.principal { .token(token) }
            }
        }
    }

    @Test(arguments: [
        ("", "principals: expected at least one principal"),
        ("principals: 3", "line 1: principals: expected a list"),
        ("principle: []", "line 1: principle: unknown key; did you mean principals?"),
        ("a: [", "line 2, column 1: expected YAML"),
    ])
    func isNamed(text: String, fault: String) {
        #expect(Self.faults(text).contains { $0.hasPrefix(fault) }, "\(Self.faults(text))")
    }

    @Test(arguments: [
        ("scopes: [operate]", "name: the name is missing"),
        ("name: Ops, scopes: [operate]", "name: expected 1 to 63 lower-case letters"),
        ("name: anonymous, scopes: [operate]", "name: the name anonymous is taken"),
        ("name: library, scopes: [operate]", "name: the name library is taken"),
        ("name: ops", "expected a list of transactions:run, transactions:read, operate, admin"),
        ("name: ops, scopes: [all]", "scopes: expected one of transactions:run"),
        (
            "name: a, scopes: [transactions:run]",
            "participants: expected the participants that its transactions may use"
        ),
        (
            "name: a, scopes: [transactions:run], participants: [\"*\", users]",
            "participants: expected names of participants, or \"*\" alone, got \"*\""
        ),
        (
            "name: a, scopes: [operate], tokens: [{ expires: 2030-01-01T00:00:00Z }]",
            "tokens.1.sha256: expected the SHA-256"
        ),
        (
            "name: a, scopes: [operate], tokens: [{ sha256: \(digest) }]",
            "tokens.1.expires: expected a time such as"
        ),
        (
            "name: a, scopes: [operate], tokens: [{ sha256: \(digest), expires: never }]",
            "tokens.1.expires: expected a time such as 2027-03-01T00:00:00Z, got \"never\""
        ),
        (
            "name: a, scopes: [operate], tokens: [{ sha256: \(digest), "
                + "expires: \"2030-01-01T00:00:00Z\", scopes: [admin] }]",
            "tokens.1.scopes: the principal has no scope admin of its own"
        ),
        (
            "name: a, scopes: [operate], tokens: [\(token), \(token)]",
            "tokens.2.sha256: the token is there twice"
        ),
        ("name: a, scopes: [operate], role: x", "role: unknown key"),
    ])
    func isNamedInPrincipal(text: String, fault: String) {
        let faults = Self.faults(ofPrincipal: text)
        #expect(faults.count == 1)
        #expect(faults.first?.contains(fault) == true, "\(faults)")
    }

    @Test func refusesNamesThatAreUsedTwice() {
        let faults = Self.faults(
            "principals:\n  - { name: a, scopes: [operate] }\n  - { name: a, scopes: [admin] }")
        #expect(faults == ["line 3: principals.2.name: the name is used twice"])
    }

    /// Somebody who pastes the token itself must not find it in the log.
    @Test func neverQuotesATokenInPlaceOfItsDigest() {
        var generator = SystemRandomNumberGenerator()
        let secret = BearerToken(using: &generator).text
        let faults = Self.faults(
            ofPrincipal: "name: a, scopes: [operate], tokens: [{ sha256: \(secret), "
                + "expires: \"2030-01-01T00:00:00Z\" }]")
        #expect(faults.count == 1)
        #expect(!faults.joined().contains(secret))
    }

    @Test func reportsMissingFile() {
        let error = #expect(throws: ConfigurationFaults.self) {
            try AccessFile.read("/nowhere/access.yaml")
        }
        #expect(error?.faults == ["the file cannot be read"])
        #expect(error?.source == "/nowhere/access.yaml")
    }
}
