import FoundationEssentials
import Testing

@testable import tandem

/// Configurations as texts, for tests.
enum ConfigurationText {
    /// The least that is valid.
    static let least = """
        state: { conninfo: "host=127.0.0.1 dbname=tandem" }
        participants:
          - { name: users, conninfo: "host=127.0.0.1 dbname=users" }
        """

    /// Reads `text` as a file is read.
    static func load(
        _ text: String, environment: [String: String] = [:]
    ) throws -> Configuration {
        try withFile(text) { try Configuration.load(file: $0, environment: environment) }
    }

    /// What is wrong with `text`; empty when nothing is.
    static func faults(_ text: String, environment: [String: String] = [:]) throws -> [String] {
        do {
            _ = try load(text, environment: environment)
            return []
        } catch let error as ConfigurationFaults {
            return error.faults
        }
    }

    /// Runs `body` with the path of a file that holds `text`.
    static func withFile<Result>(
        _ text: String, _ body: (String) throws -> Result
    ) throws -> Result {
        let path = "/tmp/tandem-configuration-test-\(UInt64.random(in: 0 ... .max)).yaml"
        try Data(text.utf8).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try body(path)
    }
}
