import Foundation
import PostgresClusters
import Testing

@testable import tandem

@Suite("The scenarios of docs/REHEARSAL.md")
struct RehearsalScenarioTests {
    static let page = RehearsalPage()

    @Test("each does what the page says, in the databases too", arguments: page.scenarios)
    func scenario(_ scenario: RehearsalPage.Scenario) async throws {
        try await withRehearsal(replicas: 2) { testbed in
            let parts = scenario.parts.map { "\($0.commands)\necho '\(Self.separator)'\n" }
            let output = try await testbed.shell(Self.page.functions + parts.joined())
            let printed = output.components(separatedBy: "\(Self.separator)\n").dropLast()
            #expect(printed.count == scenario.parts.count)
            for (part, text) in zip(scenario.parts, printed) { #expect(text == part.output) }
            for name in Sandbox.participantNames {
                #expect(
                    try await testbed.value(name, "SELECT count(*) FROM pg_prepared_xacts") == "0")
            }
            #expect(
                try await testbed.value(
                    "state", "SELECT count(*) FROM tandem.transactions WHERE finished_at IS NULL")
                    == "0")
        }
    }

    @Test("the page has its functions, and scenarios with output")
    func isRead() {
        #expect(Self.page.functions.contains("run() {"))
        #expect(Self.page.scenarios.count == 8)
        #expect(Self.page.scenarios.allSatisfy { $0.parts.allSatisfy { !$0.output.isEmpty } })
    }

    private static let separator = "----"
}

/// The blocks of docs/REHEARSAL.md.
struct RehearsalPage: Sendable {
    struct Scenario: Sendable, CustomTestStringConvertible {
        let title: String
        var parts: [(commands: String, output: String)] = []

        var testDescription: String { title }
    }

    /// The shell functions that the scenarios use.
    private(set) var functions = ""
    private(set) var scenarios: [Scenario] = []

    init() {
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = try? String(
            contentsOf: root.appending(path: "docs/REHEARSAL.md"), encoding: .utf8)
        var block: (language: Substring, lines: [Substring])?
        for line in (text ?? "").split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                if let (language, lines) = block {
                    add(language, lines.map { $0 + "\n" }.joined())
                    block = nil
                } else {
                    block = (line.dropFirst(3), [])
                }
            } else if block != nil {
                block?.lines.append(line)
            } else if line.hasPrefix("### ") {
                scenarios.append(Scenario(title: String(line.dropFirst(4))))
            }
        }
    }

    private mutating func add(_ language: Substring, _ text: String) {
        guard let last = scenarios.indices.last else {
            if language == "sh" { functions += text }
            return
        }
        switch language {
        case "sh": scenarios[last].parts.append((text, ""))
        case "text": scenarios[last].parts[scenarios[last].parts.count - 1].output = text
        default: break
        }
    }
}

/// Runs a test with replicas as `tandem dev` starts them.
func withRehearsal(
    replicas: Int = 1, settings: [String] = [], keys: [String: String] = [:],
    arguments: [String] = [], _ body: (Testbed) async throws -> Void
) async throws {
    try await withTestbed(
        settings: settings, keys: keys, command: ["dev-replica"] + arguments
    ) { testbed in
        for number in 1..<replicas {
            try await testbed.sandbox.startReplica(
                number + 1, isQuiet: true, command: ["dev-replica"] + arguments)
        }
        try await body(testbed)
    }
}

extension Testbed {
    /// Runs commands in a shell that has the variables of docs/REHEARSAL.md; returns what they print.
    fileprivate func shell(_ commands: String) async throws -> String {
        let programs = try await PostgresInstallation.find().program("psql")
        let folder = URL(filePath: programs).deletingLastPathComponent().path
        var variables = ["PATH": "\(folder):\(ProcessInfo.processInfo.environment["PATH"] ?? "")"]
        for (number, replica) in sandbox.replicas.enumerated() {
            variables[number == 0 ? "T" : "T\(number + 1)"] = "http://127.0.0.1:\(replica.port)"
        }
        for (name, cluster) in sandbox.participants {
            variables[name.uppercased()] =
                "postgresql://postgres@127.0.0.1:\(cluster.port)/\(cluster.database)"
        }
        let output = try await PostgresClusters.Command(
            "/usr/bin/env", ["bash", "-uc", commands], environment: variables
        ).run()
        #expect(output.errors == "")
        return output.output
    }
}
