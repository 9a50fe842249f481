import ArgumentParser
import Testing

@testable import tandem

@Suite("Arguments of `tandem dev`")
struct DevArgumentsTests {
    @Test("settings are name=value; a value may hold more of them")
    func settings() throws {
        let dev = try Dev.parse(["--setting", "work_mem=8MB", "--setting", "a.b=c=d"])
        #expect(dev.setting.map(\.name) == ["work_mem", "a.b"])
        #expect(dev.setting.map(\.value) == ["8MB", "c=d"])
        #expect(throws: (any Error).self) { try Dev.parse(["--setting", "work_mem"]) }
        #expect(throws: (any Error).self) { try Dev.parse(["--setting", "=8MB"]) }
    }

    @Test("a port where another server listens is refused, and that one not taken for one's own")
    func takenPort() async throws {
        try await withTestbed { testbed in
            await #expect(throws: LoopbackHTTP.Failure.self) {
                try await testbed.sandbox.startReplica(2, port: testbed.client.port, isQuiet: true)
            }
        }
    }
}
