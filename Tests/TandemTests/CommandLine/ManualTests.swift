import Foundation
import PostgresClusters
import Testing

@testable import tandem

@Suite("The manual page and the reference of commands")
struct ManualTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    private func written(_ what: String) async throws -> String {
        let program = try Program.command([]).executable
        let output = try await PostgresClusters.Command(
            "/usr/bin/env", ["python3", "\(Self.root)/scripts/manual.py", what, program]
        ).run()
        try #require(output.succeeded, "\(output.errors)")
        return output.output
    }

    @Test("both are what the program says of itself; scripts/manual.py write makes them so")
    func areCurrent() async throws {
        let page = try String(contentsOfFile: "\(Self.root)/docs/tandem.1", encoding: .utf8)
        #expect(try await written("man") == page)
        let article = try String(
            contentsOfFile: "\(Self.root)/docs/COMMAND-LINE.md", encoding: .utf8)
        let reference = try await written("reference")
        #expect(reference.contains("### tandem transactions resolve"))
        #expect(article.hasSuffix("\n" + reference))
    }

    @Test("the article lists every exit status as --help does")
    func statuses() throws {
        let article = try String(
            contentsOfFile: "\(Self.root)/docs/COMMAND-LINE.md", encoding: .utf8)
        for status in CommandStatus.allCases {
            #expect(article.contains("| \(status.rawValue) | \(status.meaning) |"))
        }
    }

    @Test("completions are there for three shells", arguments: ["bash", "zsh", "fish"])
    func completions(shell: String) async throws {
        let script = try await Program.run(["--generate-completion-script", shell])
        #expect(script.output.contains("transactions"))
        #expect(script.output.contains("break"))
    }
}
