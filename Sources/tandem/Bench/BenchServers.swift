import EventLoop
import PostgresClient

/// The servers of the participants that are measured, and the table there.
struct BenchServers: Sendable {
    /// The table, in the schema where the role creates tables.
    static let table = "tandem_bench"
    static let insertion = "INSERT INTO \(table) (n) VALUES (1)"

    /// What limits a participant's server.
    struct Facts: Sendable, Equatable {
        let participant: String
        let version: String
        let preparedMax: Int
        let connectionsMax: Int
        /// Sessions of all programs, before the measurement.
        let connectionsUsed: Int
        /// Prepared transactions of all programs, before the measurement.
        let preparedUsed: Int
        /// What tandem opens there besides working sessions.
        let otherSessions: Int
    }

    private let participants: [Configuration.Participant]

    init(_ configuration: Configuration, _ chosen: [Configuration.Participant]) {
        participants = chosen
    }

    /// Reads the servers' limits and creates the tables; creates none that it cannot drop again.
    func prepare() async throws -> [Facts] {
        var facts: [Facts] = []
        for participant in participants {
            do {
                facts.append(
                    try await withConnection(to: participant) { connection in
                        let facts = try await read(participant, connection)
                        _ = try await connection.query(
                            """
                            CREATE TABLE \(Self.table) (
                                id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                                n bigint NOT NULL)
                            """)
                        return facts
                    })
            } catch {
                try? await dropTables(of: participants.prefix(facts.count))
                throw Self.failure(error, participant.name)
            }
        }
        return facts
    }

    func dropTables() async throws { try await dropTables(of: participants[...]) }

    private func dropTables(of some: ArraySlice<Configuration.Participant>) async throws {
        for participant in some {
            do {
                try await withConnection(to: participant) {
                    _ = try await $0.query("DROP TABLE \(Self.table)")
                }
            } catch {
                throw Self.failure(error, participant.name)
            }
        }
    }

    private func read(
        _ participant: Configuration.Participant, _ connection: PostgresConnection
    ) async throws -> Facts {
        let result = try await connection.query(
            """
            SELECT current_setting('server_version'), current_setting('max_prepared_transactions'),
                current_setting('max_connections'),
                (SELECT count(*) FROM pg_catalog.pg_stat_activity
                    WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()),
                (SELECT count(*) FROM pg_catalog.pg_prepared_xacts)
            """)
        func number(_ column: Int) -> Int {
            Int(result.unsigned(row: 0, column: column) ?? 0)
        }
        return Facts(
            participant: participant.name, version: result.text(row: 0, column: 0) ?? "",
            preparedMax: number(1),
            connectionsMax: number(2), connectionsUsed: number(3), preparedUsed: number(4),
            otherSessions: participant.finishers + 1)
    }

    @LoopActor
    private func withConnection<Result: Sendable>(
        to participant: Configuration.Participant,
        _ body: @LoopActor @Sendable (PostgresConnection) async throws -> Result
    ) async throws -> Result {
        let connection = try await PostgresConnection.connect(
            participant.connection,
            timeout: .milliseconds(participant.connectTimeoutMilliseconds), loop: .shared)
        defer { connection.close() }
        return try await body(connection)
    }

    private static func failure(_ error: any Error, _ participant: String) -> any Error {
        guard case .server(let message) = error as? PostgresError else {
            return CommandFailure(.unreachable, "Participant \(participant): \(error).")
        }
        let advice =
            switch message.state.rawValue {
            case "42P07":
                " Another tandem bench is running there, or one was killed. If none runs, drop the "
                    + "table: DROP TABLE \(table);"
            case "42501":
                " The role needs CREATE on the schema for this command alone, as in GRANT CREATE ON "
                    + "SCHEMA public TO the_role; and a REVOKE afterwards."
            default: ""
            }
        return CommandFailure(
            .refused, "Participant \(participant): \(message.message).\(advice)")
    }
}
