import Foundation
import Testing

/// The main paths as transcripts, readable without knowing the code.
///
/// Write a new transcript with its events only; `TANDEM_RECORD=1 swift test --filter Scenario` adds the
/// machine's steps, for a person to judge.
@Suite struct ScenarioTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Scenarios")

    static let names = [
        "commit", "abort-by-vote", "deadline", "accept-unknown", "decision-unknown", "recovery",
        "read-only", "one-phase", "journal",
    ]

    @Test(arguments: names)
    func stepsMatchTranscript(_ name: String) throws {
        let file = Self.folder.appending(path: "\(name).txt")
        let text = try String(contentsOf: file, encoding: .utf8)
        let scenario = Scenario(text)
        #expect(scenario.fault == nil)
        if ProcessInfo.processInfo.environment["TANDEM_RECORD"] != nil {
            try scenario.transcript.write(to: file, atomically: true, encoding: .utf8)
        } else {
            #expect(scenario.transcript == text)
        }
    }

    @Test func listsEveryTranscript() throws {
        let found = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path())
        let transcripts = found.filter { $0.hasSuffix(".txt") }.map { $0.dropLast(4) }
        #expect(Set(transcripts.map(String.init)) == Set(Self.names))
    }
}
