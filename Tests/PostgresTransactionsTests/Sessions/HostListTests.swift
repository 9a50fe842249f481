import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing

@testable import PostgresTransactions

@Suite("A state database with several hosts", .timeLimit(.minutes(20)))
@LoopActor
struct HostListTests {
    @Test("a former primary that answers first is passed over by every session")
    func formerPrimary() async throws {
        try await PostgresCluster.withTemporary(
            name: "old", settings: ["fsync": "off"]
        ) { @LoopActor old in
            await (try await StateDatabase.open(old, "one")).close()
            let new = try await old.copy(as: "new")
            try await new.becomeStandby()
            try await new.promote()
            await old.stop()
            let both =
                "host=127.0.0.1,127.0.0.1 port=\(old.port),\(new.port) "
                + "dbname=postgres user=postgres"
            let state = try await StateDatabase.open(old, "one") {
                $0.connection = (try? ConnectionOptions(conninfo: both)) ?? $0.connection
            }
            try await old.restart()
            state.closeWriter()
            let writer = try await state.writerConnection()
            let another = try await state.connect()
            for connection in [writer, another] {
                let port = try await connection.query("SELECT inet_server_port()")
                #expect(port.text(row: 0, column: 0) == "\(new.port)")
            }
            another.close()
            // A pool does as much for each of its sessions.
            let tasks = (0..<4).map { _ in
                Task { try await state.read("SELECT inet_server_port(), pg_sleep(0.1)", []) }
            }
            for task in tasks {
                #expect(try await task.value.text(row: 0, column: 0) == "\(new.port)")
            }
            await new.stop()
            state.closeWriter()
            let error = await #expect(throws: StateDatabaseError.self) {
                try await state.writerConnection()
            }
            let text = "\(String(describing: error))"
            #expect(text.contains("127.0.0.1:\(old.port): ") && text.contains("former primary"))
            #expect(text.contains("127.0.0.1:\(new.port): "))
            // Its lease is given up there.
            try await new.restart()
            await state.close()
            await new.remove()
        }
    }
}
