import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import StatementGate
import Testing
import TransactionEngine

@testable import PostgresTransactions

/// Participants in databases of one server, as one or more replicas use them.
///
/// They are named `p0`, `p1` and so on, and each has a table of two rows.
@LoopActor
final class DeadlockScene {
    let replicas: [PostgresParticipants]
    let installation: String
    private let states: [StateDatabase]
    private let connections: [ConnectionOptions]

    /// The first replica's.
    var participants: PostgresParticipants { replicas[0] }

    /// Makes participants, for one replica without a state database if no names are given.
    init(_ cluster: PostgresCluster, _ count: Int, replicas names: [String] = []) async throws {
        let first = try ConnectionOptions(conninfo: cluster.connectionString())
        var connections: [ConnectionOptions] = []
        for place in 0..<count {
            _ = try await cluster.psql("CREATE DATABASE d\(place)")
            connections.append(try first.overriding(["dbname": "d\(place)"]))
            let connection = try await PostgresConnection.connect(
                connections[place], timeout: .seconds(300), loop: .shared)
            defer { connection.close() }
            _ = try await connection.query("CREATE TABLE t (id int PRIMARY KEY, n int)")
            _ = try await connection.query("INSERT INTO t VALUES (1, 0), (2, 0)")
        }
        self.connections = connections
        let options = connections.enumerated().map { place, connection in
            var options = ParticipantOptions(name: "p\(place)", connection: connection)
            options.connectTimeout = .seconds(300)
            options.lockTimeout = .zero
            options.statementTimeout = .zero
            return options
        }
        let logger = Logger(label: "test")
        var states: [StateDatabase] = []
        for name in names {
            var state = StateOptions(connection: first, replica: name)
            state.allowsFsyncOff = true
            state.timeout = .seconds(300)
            state.lease = .seconds(600)
            states.append(try await StateDatabase.open(state, loop: .shared, logger: logger))
        }
        self.states = states
        installation = states.first?.installation ?? "i"
        replicas =
            states.isEmpty
            ? [
                try PostgresParticipants(
                    logless: options, installation: "i", allowsFsyncOff: true, queueMax: 10,
                    loop: .shared, logger: logger)
            ]
            : try states.map {
                try PostgresParticipants(options, state: $0, queueMax: 10, logger: logger)
            }
    }

    func close() async {
        for participants in replicas { await participants.close() }
        for state in states { await state.close() }
    }

    nonisolated static func id(_ number: Int64) -> GlobalTransactionID {
        GlobalTransactionID(number: number, salt: 0)
    }

    func gid(_ number: Int64, branch: Int) -> String {
        "tandem:\(installation):\(Self.id(number)):\(branch)"
    }

    nonisolated static func update(_ row: Int) -> String {
        "UPDATE t SET n = n + 1 WHERE id = \(row)"
    }

    func connect(_ place: Int) async throws -> PostgresConnection {
        try await PostgresConnection.connect(
            connections[place], timeout: .seconds(300), loop: .shared)
    }

    /// Has branch 0 of a transaction do its work and be prepared.
    func prepare(
        _ number: Int64, _ sql: String = update(1), in place: Int, at replica: Int = 0
    ) async throws {
        let report = await begin(
            number, branch: 0, sql, in: place, at: replica
        ).value
        guard case .prepared = report.reply else {
            Issue.record("\(report)")
            throw CancellationError()
        }
    }

    /// The same, and has it held open.
    func hold(
        _ number: Int64, _ sql: String, in place: Int, at replica: Int = 0
    ) async throws -> any BranchSession {
        let work = try Self.work(sql, .readOnly)
        let session = try await session(in: place, at: replica, .readOnly, shape: 0)
        let report = await session.work(
            WorkRequest(
                gid: gid(number, branch: 0), work: work, isolation: .readCommitted,
                commitMode: .readOnly, age: Self.id(number)))
        #expect(report.reply == .held)
        return session
    }

    func begin(
        _ number: Int64, branch: Int, _ sql: String = update(1), in place: Int, at replica: Int = 0,
        shape: Int = 0
    ) -> Task<WorkReport, Never> {
        do {
            return begin(
                number, branch: branch, try Self.work(sql, .twoPhase), in: place, at: replica,
                shape: shape)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    func begin(
        _ number: Int64, branch: Int, _ work: BranchWork, in place: Int, at replica: Int = 0,
        shape: Int = 0
    ) -> Task<WorkReport, Never> {
        let request = WorkRequest(
            gid: gid(number, branch: branch), work: work, isolation: .readCommitted,
            age: Self.id(number))
        return Task(executorPreference: EventLoop.shared) {
            do {
                return try await self.session(in: place, at: replica, .twoPhase, shape: shape).work(
                    request)
            } catch {
                preconditionFailure("\(error)")
            }
        }
    }

    func finish(
        _ number: Int64, _ decision: Decision, in place: Int, at replica: Int = 0
    ) async throws {
        let report = await replicas[replica].finish(
            FinishRequest(
                participant: "p\(place)", gid: gid(number, branch: 0), decision: decision,
                evidence: nil, fence: .none))
        #expect(report.reply == .done)
    }

    private static func work(_ sql: String, _ mode: CommitMode) throws -> BranchWork {
        .statements([try InspectedStatement(inspecting: Statement(sql: sql), for: mode)])
    }

    private func session(
        in place: Int, at replica: Int, _ mode: CommitMode, shape: Int
    ) async throws -> any BranchSession {
        let request = SessionRequest(participant: "p\(place)", commitMode: mode, shape: shape)
        return try await replicas[replica].reserve([request], within: .seconds(300))[0]
    }
}
