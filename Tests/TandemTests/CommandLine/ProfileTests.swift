import Foundation
import Testing

@testable import tandem

@Suite("Which replica a command asks, and with which token")
struct ProfileTests {
    /// Runs the body with an environment whose profile file holds `text`.
    private func withProfiles(
        _ text: String, mode: Int = 0o600, more: [String: String] = [:],
        _ body: ([String: String]) throws -> Void
    ) throws {
        let home = "/tmp/tandem-profile-test-\(UInt64.random(in: 0 ... .max))"
        let folder = home + "/tandem"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: home) }
        #expect(
            FileManager.default.createFile(
                atPath: folder + "/profiles.yaml", contents: Data(text.utf8),
                attributes: [.posixPermissions: mode]))
        try body(["XDG_CONFIG_HOME": home].merging(more) { $1 })
    }

    private func failure(
        url: String? = nil, named name: String? = nil, _ environment: [String: String]
    ) -> CommandFailure? {
        do throws(CommandFailure) {
            _ = try Profile.choose(url: url, named: name, environment: environment)
            return nil
        } catch {
            return error
        }
    }

    private static let two = """
        defaultProfile: near
        profiles:
          - { name: near, url: "http://127.0.0.1:9001/" }
          - { name: far, url: "https://tandem.example/base", token: hush-hush }
        """

    @Test("--url comes before --profile, then TANDEM_URL, the default profile, this machine")
    func order() throws {
        let here = try Profile.choose(url: nil, named: nil, environment: ["HOME": "/nonexistent"])
        #expect(here.address.description == "http://127.0.0.1:8080")
        #expect(here.token == nil)
        try withProfiles(Self.two) { environment throws in
            func choose(
                _ url: String?, _ name: String?, _ more: [String: String] = [:]
            ) throws -> Profile {
                try Profile.choose(
                    url: url, named: name, environment: environment.merging(more) { $1 })
            }
            #expect(try choose(nil, nil).address.description == "http://127.0.0.1:9001")
            let set = ["TANDEM_URL": "http://h:1", "TANDEM_TOKEN": "t"]
            #expect(try choose(nil, nil, set).address.description == "http://h:1")
            #expect(try choose(nil, "near", set).address.description == "http://127.0.0.1:9001")
            #expect(try choose("http://x:2", nil, set).address.description == "http://x:2")
            // The profile's own token, and at another address none of the file's.
            #expect(try choose(nil, "far", set).token == "hush-hush")
            #expect(try choose(nil, "near", set).token == "t")
            #expect(try choose("http://x:2", nil).token == nil)
        }
    }

    @Test("a file that holds a token and that others may read is refused; one without is not")
    func permissions() throws {
        try withProfiles(Self.two, mode: 0o644) { environment throws in
            let failure = failure(named: "near", environment)
            #expect(failure?.status == .usage)
            #expect(failure?.description.contains("chmod 600") == true)
            #expect(failure?.description.contains("hush") == false)
        }
        let elsewhere = Self.two.replacing("hush-hush", with: "\"${FAR_TOKEN}\"")
        try withProfiles(elsewhere, mode: 0o644, more: ["FAR_TOKEN": "secret"]) {
            environment throws in
            #expect(
                try Profile.choose(url: nil, named: "far", environment: environment).token
                    == "secret")
        }
    }

    @Test("a profile that is not there, and faults of the file, are named")
    func faults() throws {
        let none = failure(named: "far", ["HOME": "/nonexistent"])
        #expect(none?.description.contains("/nonexistent/.config/tandem/profiles.yaml") == true)
        try withProfiles(Self.two) { environment throws in
            #expect(
                failure(named: "nea", environment)?.description.contains("Did you mean near?")
                    == true)
        }
        for (text, expected) in [
            ("profiles: [ { name: near, adress: x } ]", "unknown key"),
            ("profiles: [ { name: near, url: 'ftp://x' } ]", "Expected an address"),
            ("profiles: [ { name: near } ]", "expected the replica's address"),
            ("profiles: [ { name: near, url: 'http://x', token: 'a b' } ]", "printable ASCII"),
            ("profile: 1", "unknown key"),
        ] {
            try withProfiles(text) { environment throws in
                let failure = failure(named: "near", environment)
                #expect(failure?.status == .usage, "\(text)")
                #expect(failure?.description.contains(expected) == true, "\(text)")
            }
        }
    }

    @Test(
        "what is no address is refused, with an example",
        arguments: [
            "", "127.0.0.1:8080", "ftp://h", "http://", "http://u:p@h", "http://h?x=1",
            "http://h#x", "http:///x",
        ])
    func addresses(text: String) {
        #expect(ServerAddress(text) == nil)
    }

    @Test("a path before the routes stays, and a query is escaped")
    func urls() throws {
        let address = try #require(ServerAddress("https://h/base/"))
        let url = address.url("/v1/transactions", query: [(name: "label", value: "a:b c&d")])
        #expect(
            url?.absoluteString == "https://h/base/v1/transactions?label=a%3Ab%20c%26d")
    }
}
