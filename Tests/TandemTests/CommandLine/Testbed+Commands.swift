import Foundation
import PostgresClusters
import Testing

@testable import tandem

/// The program's commands, run as a user runs them.
enum Program {
    /// Runs `tandem` with arguments, and without the settings of the person who runs the tests.
    static func run(
        _ arguments: [String], input: String = "", environment: [String: String] = [:]
    ) async throws -> CommandOutput {
        try await command(arguments, environment: environment).run(input: input)
    }

    static func command(
        _ arguments: [String], environment: [String: String] = [:]
    ) throws -> PostgresClusters.Command {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        // The test runner is in the same folder as the program.
        let program = URL(fileURLWithPath: own).deletingLastPathComponent().path + "/tandem"
        let standard = [
            "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "HOME": "/nonexistent",
            "USER": "ada", "LANG": "C.UTF-8",
        ]
        return PostgresClusters.Command(
            program, arguments, environment: standard.merging(environment) { $1 })
    }
}

extension Testbed {
    /// Runs a command that asks the testbed's replica.
    func tandem(_ arguments: String..., input: String = "") async throws -> CommandOutput {
        try await tandem(arguments, input: input)
    }

    func tandem(_ arguments: [String], input: String = "") async throws -> CommandOutput {
        try await Program.run(
            arguments, input: input,
            environment: ["TANDEM_URL": "http://127.0.0.1:\(client.port)"])
    }
}

extension CommandOutput {
    /// Whether it returned this status.
    func exits(_ expected: CommandStatus) -> Bool { status == .exited(expected.rawValue) }
}
