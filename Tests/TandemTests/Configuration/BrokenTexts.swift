import FoundationEssentials
import Testing

@testable import tandem

/// Texts of files, broken at random places by a seed: a reader answers, and never ends the program.
@Suite struct BrokenTexts {
    private static let configuration = """
        listen: { host: 127.0.0.1, port: 8080 }
        replica: { name: a, heartbeatSeconds: 2 }
        state: { conninfo: "host=127.0.0.1 dbname=tandem password=sesame", readers: 2 }
        transactions:
          hazardIntervalMilliseconds: 1000
        participants:
          - name: users
            conninfo: postgresql://ada:sesame@127.0.0.1:5432/users
            journal: true
            poolSize: 4
        log: &log { level: info }
        metrics: { queueIntervalMilliseconds: 100 }
        """
    private static let pieces = [
        "", ":", "{", "}", "[", "]", "\"", "'", "\n", "\t", " ", "- ", "&a", "*a", "<<: *a",
        "!!int",
        "|", ">", "#", "%", "${A}", "${", "~", "null", "0x10", "1e9", "-1", "9999999999999999999",
        "\u{0}", "\u{feff}", "é", "---", "...", "password=", "@", "\\",
    ]
    /// The texts: a good one, with a few places overwritten.
    private static func broken(_ text: String, _ count: Int, seed: UInt64) -> [String] {
        var state = seed
        func below(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(bound))
        }
        return (0..<count).map { _ in
            var characters = Array(text)
            for _ in 0...below(3) {
                let start = below(characters.count)
                let end = min(characters.count, start + below(12))
                characters.replaceSubrange(start..<end, with: pieces[below(pieces.count)])
            }
            return String(characters)
        }
    }

    /// Each fault says where it is, and none shows a part of a password.
    @Test func `a broken configuration has faults that say where, without a secret`() throws {
        var faultyCount = 0
        for text in Self.broken(Self.configuration, 3000, seed: 0x7A4D_F003) {
            let faults = try ConfigurationText.faults(text)
            if !faults.isEmpty { faultyCount += 1 }
            for fault in faults {
                #expect(!fault.isEmpty)
                #expect(!fault.contains("sesame"), "\(fault)\n\(text)")
            }
        }
        #expect(faultyCount > 1000)
    }

    @Test func `a broken dump of the state database is refused or read`() {
        let dump = BreakGlassPlanTests().dump([:]).joined(separator: "\n")
        for text in Self.broken(dump, 3000, seed: 0x7A4D_F004) {
            var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
                .map(String.init)[...]
            do {
                _ = try StateDump.read(source: "a test") { lines.popFirst() }
            } catch {
                #expect(!"\(error)".isEmpty)
            }
        }
    }
}
