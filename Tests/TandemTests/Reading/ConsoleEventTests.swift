import PostgresClusters
import Testing

@testable import tandem

@Suite("The console's events")
struct ConsoleEventTests {
    @Test("go on while the page is open, and end when the replica stops")
    func events() async throws {
        try await withTestbed { testbed in
            // A page would read itself at each event, and the stream never ends by itself.
            let read = try await PostgresClusters.Command(
                "/bin/sh",
                ["-c", "curl -sN http://127.0.0.1:\(testbed.replica.port)/events | head -n 6"]
            ).run()
            let lines = read.output.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(
                lines == ["retry: 2000", "", "event: change", "data: {}", "", "event: change", ""],
                "\(read.errors)")
            await testbed.replica.stop()
        }
    }
}
