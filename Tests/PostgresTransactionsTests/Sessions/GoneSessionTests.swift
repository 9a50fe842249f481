import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing

@testable import PostgresTransactions

@Suite("The records of sessions that are gone", .timeLimit(.minutes(20)))
@LoopActor
struct GoneSessionTests {
    @Test("are removed in batches; records of running sessions and of other servers stay")
    func removed() async throws {
        try await PostgresCluster.withTemporaryOnLoop { cluster in
            let state = try await StateDatabase.open(cluster, "one")
            var options = ParticipantOptions(
                name: "users",
                connection: try ConnectionOptions(conninfo: cluster.connectionString()))
            options.connectTimeout = .seconds(300)
            let participants = try PostgresParticipants(
                [options], state: state, queueMax: 10, logger: Logger(label: "test"))
            while try await cluster.psql("SELECT count(*) FROM tandem.sessions") == "0" {}
            // Of a pid that runs, and started at another time; of some that do not; another server's.
            _ = try await cluster.psql(
                """
                INSERT INTO tandem.sessions (participant, process_id, backend_start, replica, epoch,
                    system_identifier)
                SELECT 'users', pid, start, 'one', 1, system_identifier FROM pg_control_system(),
                    (VALUES (pg_backend_pid(), '1'), (1, '1'), (1, '2'), (2147483647, '1'))
                        AS x(pid, start)
                UNION ALL SELECT 'users', 2, '1', 'one', 1, '7'
                """)
            await participants.forgetGoneSessions(2)
            let running = """
                SELECT count(*) FROM tandem.sessions AS s
                WHERE system_identifier <> '7' AND EXISTS (
                    SELECT FROM pg_stat_activity AS a WHERE a.pid = s.process_id
                        AND (extract(epoch FROM backend_start) * 1000000)::bigint
                            = s.backend_start::bigint)
                """
            #expect(try await cluster.psql(running) != "0")
            #expect(
                try await cluster.psql("SELECT count(*) - (\(running)) FROM tandem.sessions") == "1"
            )
            await participants.close()
            await state.close()
        }
    }
}
