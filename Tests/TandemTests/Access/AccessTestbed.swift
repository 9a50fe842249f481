import AccessControl
import CoordinatorAPI
import Foundation
import Testing

@testable import tandem

/// An access file for tests, with a token for each role.
final class AccessScene {
    /// The callers of a test; all tokens but `wrong` are in the file.
    enum Role: String, CaseIterable {
        /// Shows no token.
        case none
        /// Shows a token that nobody has.
        case wrong
        /// Shows a token of `checkout` that has expired.
        case expired
        /// `checkout`, who may run transactions in `users` alone.
        case run
        /// A token of `checkout` for reading alone.
        case read
        /// `billing`, another service with all participants.
        case other
        /// An operator.
        case operate
        /// An administrator.
        case admin
    }

    let tokens: [Role: String]
    let path: String

    init() throws {
        var generator = SystemRandomNumberGenerator()
        tokens = Dictionary(
            uniqueKeysWithValues: Role.allCases.dropFirst().map {
                ($0, BearerToken(using: &generator).text)
            })
        path = "/tmp/tandem-access-test-\(UInt64.random(in: 0 ... .max)).yaml"
        try write(text)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Replaces the file at once, as tools that deploy it do.
    func write(_ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    /// The configuration that names the file; the file is read again often.
    var settings: [String] {
        ["access: { file: \(path), reloadMilliseconds: 100 }"]
    }

    /// The lines of a token.
    func entry(
        _ role: Role, expires: String = "2999-01-01T00:00:00Z", scopes: String = ""
    ) -> String {
        let digest = TokenDigest(of: tokens[role] ?? "").hexadecimal
        return "\n      - { sha256: \(digest), expires: \"\(expires)\"\(scopes) }"
    }

    var text: String {
        """
        principals:
          - name: checkout
            scopes: [transactions:run]
            participants: [users]
            tokens:\(entry(.run))\(entry(.read, scopes: ", scopes: [transactions:read]"))\
        \(entry(.expired, expires: "2001-01-01T00:00:00Z"))
          - name: billing
            scopes: [transactions:run]
            participants: ["*"]
            tokens:\(entry(.other))
          - name: ops
            scopes: [operate]
            tokens:\(entry(.operate))
          - name: root
            scopes: [admin]
            tokens:\(entry(.admin))
        """
    }
}

/// Runs a test with a replica that has an access file.
func withAccess(
    settings: [String] = [], keys: [String: String] = [:],
    _ body: (Testbed, AccessScene) async throws -> Void
) async throws {
    let scene = try AccessScene()
    try await withTestbed(
        settings: scene.settings + settings, keys: keys, token: scene.tokens[.operate]
    ) { testbed in
        try await body(testbed, scene)
    }
}

extension Testbed {
    /// Sends a request as one of the roles, with its token in the header, or in the cookie.
    func ask(
        _ line: String, as role: AccessScene.Role, of scene: AccessScene, byCookie: Bool = false,
        fields: [String] = [], body: String = ""
    ) async throws -> Answer {
        let credentials = scene.tokens[role].map {
            byCookie ? "Cookie: a=b; tandem_token=\($0)" : "Authorization: Bearer \($0)"
        }
        let head =
            ["\(line) HTTP/1.1", "Host: localhost", "Connection: close"]
            + (credentials.map { [$0] } ?? []) + fields + ["Content-Length: \(body.utf8.count)"]
        let answer = try await client.send(head.joined(separator: "\r\n") + "\r\n\r\n" + body)
        let isJSON = line.contains(" /v1/") || answer.head.contains("problem+json")
        return try Self.answer(answer, isJSON: isJSON)
    }

    /// The body of a transaction with a statement in each of these participants.
    static func work(in participants: String...) -> String {
        let branches = participants.map {
            #"{"participant":"\#($0)","statements":[{"sql":"SELECT 1"}]}"#
        }
        return #"{"branches":[\#(branches.joined(separator: ","))]}"#
    }

    /// Runs a transaction as one of the roles, and returns its id.
    func begin(
        as role: AccessScene.Role, of scene: AccessScene, key: String? = nil
    ) async throws -> String {
        let answer = try await ask(
            "POST /v1/transactions", as: role, of: scene,
            fields: ["Content-Type: application/json"]
                + (key.map { ["Idempotency-Key: \"\($0)\""] } ?? []),
            body: Self.work(in: "users"))
        try #require([201, 202].contains(answer.status), "\(answer.text)")
        return try #require(answer.body["id"]?.string)
    }
}
