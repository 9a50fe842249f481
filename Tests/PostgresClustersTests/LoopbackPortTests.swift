import Testing

@testable import PostgresClusters

@Suite("Ports that are kept")
struct LoopbackPortTests {
    @Test("a server's port stays its own while it is stopped, and it gets it again")
    func kept() async throws {
        try await PostgresCluster.withTemporary(settings: ["fsync": "off"]) { cluster in
            #expect(LoopbackPort(reserving: cluster.port) == nil)
            #expect(LoopbackPort.isTaken(cluster.port))
            await cluster.stop()
            #expect(LoopbackPort(reserving: cluster.port) == nil)
            #expect(!LoopbackPort.isTaken(cluster.port), "kept, but nobody listens")
            try await cluster.restart()
            #expect(try await cluster.psql("SELECT 1") == "1")
        }
    }

    @Test("a port is reserved once, and free again when nobody holds it", .timeLimit(.minutes(20)))
    func once() async throws {
        var first: LoopbackPort? = try .reserve()
        let number = try #require(first?.number)
        #expect(LoopbackPort(reserving: number) == nil)
        first = nil
        // A child that another test starts at this moment holds a copy until it executes its program.
        while LoopbackPort(reserving: number) == nil { await Task.yield() }
    }
}
