import CoordinatorAPI
import Foundation
import PostgresClusters
import Testing

@testable import tandem

@Suite("Databases in a directory of one's own")
struct KeptDirectoryTests {
    @Test("the next run has what was committed, and the record of it")
    func kept() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("tandem-kept-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let id = try await Self.run(in: folder) { testbed in
            #expect(try await testbed.commits(Testbed.pair("kept", "kept")))
            let list = try await testbed.get("/v1/transactions")
            return try #require(list.body["transactions"]?[0]?["id"]?.string)
        }
        _ = try await Self.run(in: folder) { testbed in
            let status = try await testbed.get("/v1/transactions/\(id)")
            #expect(status.body["state"]?.string == "committed")
            #expect(try await testbed.commits(Testbed.pair("second", "second")))
            try await testbed.expectQuiet(users: 2, orders: 2)
            return id
        }
    }

    /// A run as `tandem dev --directory` makes it.
    private static func run(
        in folder: String, _ body: (Testbed) async throws -> String
    ) async throws -> String {
        let sandbox = try await Sandbox.start(directory: folder)
        do {
            let replica = try await sandbox.startReplica(1, isQuiet: true)
            let result = try await body(
                Testbed(
                    sandbox: sandbox, client: LoopbackHTTP(port: replica.port), replica: replica))
            await sandbox.stop()
            return result
        } catch {
            await sandbox.stop()
            throw error
        }
    }
}
