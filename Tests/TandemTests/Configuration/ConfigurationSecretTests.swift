import PostgresClient
import Testing

@testable import tandem

/// Passwords arrive where they belong, and nowhere else.
@Suite struct ConfigurationSecretTests {
    private func text(_ secret: String, conninfo: String = "dbname=tandem") -> String {
        """
        state: { conninfo: "\(conninfo)", \(secret) }
        participants: [{ name: users, conninfo: "dbname=users" }]
        """
    }

    @Test func substitutesVariable() throws {
        let configuration = try ConfigurationText.load(
            text("password: \"${FIRST}-${SECOND}\""), environment: ["FIRST": "a", "SECOND": "b$"])
        #expect(configuration.state.connection["password"] == "a-b$")
        #expect(configuration.warnings.isEmpty)
    }

    @Test(arguments: ["geheim", "geheim\n", "geheim\r\n"])
    func aFilesNewlineIsNotPartOfThePassword(content: String) throws {
        try ConfigurationText.withFile(content) { path in
            let configuration = try ConfigurationText.load(text("passwordFile: \(path)"))
            #expect(configuration.state.connection["password"] == "geheim")
        }
    }

    @Test func keepsBlanksOfPassword() throws {
        try ConfigurationText.withFile(" geheim \n") { path in
            let configuration = try ConfigurationText.load(text("passwordFile: \(path)"))
            #expect(configuration.state.connection["password"] == " geheim ")
        }
    }

    @Test(arguments: ["", "\n", "one\ntwo\n"])
    func aFileWithoutExactlyOneLineIsAFaultThatDoesNotShowIt(content: String) throws {
        try ConfigurationText.withFile(content) { path in
            let faults = try ConfigurationText.faults(text("passwordFile: \(path)"))
            #expect(faults.count == 1)
            #expect(faults.first?.contains("two") == false)
        }
    }

    @Test(arguments: [
        ("password: \"${NOT_THERE}\"", "the environment variable NOT_THERE is not set"),
        ("password: \"${OPEN\"", "expected \"}\" after \"${\""),
        ("passwordFile: /nowhere", "the file /nowhere cannot be read"),
    ])
    func whatCannotBeHadIsAFault(secret: String, sentence: String) throws {
        let faults = try ConfigurationText.faults(text(secret))
        #expect(faults.count == 1)
        #expect(faults.first?.hasSuffix(sentence) == true)
    }

    @Test func refusesPasswordTogetherWithPasswordFile() throws {
        try ConfigurationText.withFile("geheim") { path in
            let faults = try ConfigurationText.faults(text("passwordFile: \(path), password: x"))
            #expect(
                faults == [
                    "line 1: state.passwordFile: expected either password or passwordFile, got both"
                ])
        }
    }

    @Test func warnsOfPasswordInConnectionString() throws {
        let configuration = try ConfigurationText.load(
            text("readers: 2", conninfo: "dbname=tandem password=geheim"))
        #expect(configuration.state.connection["password"] == "geheim")
        #expect(configuration.warnings.count == 1)
        #expect(configuration.warnings.first?.hasPrefix("line 1: state.conninfo: ") == true)
    }

    @Test(arguments: [
        "state: { conninfo: \"dbname=t password=geheim geheim\" }",
        "state: { conninfo: x, password: geheim",
        "state:\n  password: \"geheim\n",
        "state:\n  password: geheim\n\t- geheim",
        "state:\n  password: geheim\n  password: geheim",
        "state: { conninfo: \"dbname=t\", password: [geheim] }",
    ])
    func noFaultShowsIt(text: String) throws {
        let faults = try ConfigurationText.faults(text)
        #expect(!faults.isEmpty)
        #expect(faults.allSatisfy { !$0.contains("geheim") })
    }

    @Test func descriptionsHidePassword() throws {
        let configuration = try ConfigurationText.load(text("password: geheim"))
        #expect(configuration.state.connection["password"] == "geheim")
        #expect(!"\(configuration)".contains("geheim"))
    }
}
