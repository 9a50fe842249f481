import EventLoop
import Foundation
import PostgresClient
import PostgresClusters

/// Three throwaway PostgreSQL servers and the replicas of a coordinator.
final class Sandbox {
    static let participantNames = ["users", "orders"]
    static let serverNames = ["state"] + participantNames

    /// Both participants have all tables, so that tests can use either.
    static let tables = [
        "CREATE TABLE users (id text PRIMARY KEY, name text)",
        "CREATE TABLE orders (id text PRIMARY KEY, user_id text, amount numeric)",
        "CREATE TABLE accounts (id text PRIMARY KEY, balance numeric CHECK (balance >= 0))",
    ]

    let state: PostgresCluster
    let participants: [String: PostgresCluster]
    private(set) var replicas: [ChildReplica] = []
    /// More configuration for the replicas to start, by `replica`, `state` or a participant's name,
    /// such as `["state": "readers: 4"]`.
    var keys: [String: String] = [:]
    /// Other connection strings for the replicas to start, by the server's name.
    var addresses: [String: String] = [:]
    /// The servers where the replicas to start may use a superuser.
    ///
    /// It is the one role of a throwaway server, which holds nothing else.
    var privilegedServers = Set(serverNames)
    /// A token that replicas with an access file know as an operator's; at first the environment's.
    var token = ProcessInfo.processInfo.environment["TANDEM_TOKEN"]
    /// Ports of replicas that were started without one; each keeps its port over restarts.
    private var ports: [LoopbackPort] = []
    private let folder: String
    private let settings: [String]

    private init(
        state: PostgresCluster, participants: [String: PostgresCluster], folder: String,
        settings: [String]
    ) {
        self.state = state
        self.participants = participants
        self.folder = folder
        self.settings = settings
    }

    /// Starts the servers.
    ///
    /// A directory keeps them for the next start. `servers` holds settings of PostgreSQL by the
    /// server's name.
    static func start(
        directory: String?, settings: [String] = [], servers: [String: [String: String]] = [:]
    ) async throws -> Sandbox {
        func storage(_ name: String) -> PostgresCluster.Storage {
            directory.map { PostgresCluster.Storage.kept(directory: $0) } ?? .temporary
        }
        func server(_ name: String) -> [String: String] {
            ["max_prepared_transactions": "200", "max_connections": "200"]
                .merging(servers[name] ?? [:]) { $1 }
        }
        let state = try await PostgresCluster.start(
            name: "state", storage: storage("state"), settings: server("state"))
        var participants: [String: PostgresCluster] = [:]
        do {
            for name in participantNames {
                participants[name] = try await PostgresCluster.start(
                    name: name, storage: storage(name), settings: server(name),
                    initialSQL: tables)
            }
        } catch {
            await state.remove()
            for cluster in participants.values { await cluster.remove() }
            throw error
        }
        let folder = try await PostgresCluster.temporaryFolder("replicas")
        return Sandbox(
            state: state, participants: participants, folder: folder, settings: settings)
    }

    /// Starts a replica as a process of its own, and waits until it is ready.
    ///
    /// - Parameters:
    ///   - chosen: Its port; without one it gets a free port and keeps it until `stop()`.
    ///   - command: The program's arguments before the configuration.
    @discardableResult
    func startReplica(
        _ number: Int, port chosen: UInt16? = nil, isQuiet: Bool, command: [String] = ["serve"],
        environment: [String: String] = [:]
    ) async throws -> ChildReplica {
        if let chosen, LoopbackPort.isTaken(chosen) {
            throw LoopbackHTTP.Failure(
                description: "port \(chosen) of 127.0.0.1 is in use; choose another one"
            )
        }
        let port = try chosen ?? reservePort()
        func more(_ name: String) -> String {
            (privilegedServers.contains(name) ? ", allowPrivilegedRole: true" : "")
                + (keys[name].map { ", \($0)" } ?? "")
        }
        var lines = ["listen: { port: \(port) }"]
        lines.append("replica: { name: replica-\(number)\(more("replica")) }")
        let stateAddress = addresses["state"] ?? state.connectionString()
        lines.append("state: { conninfo: \"\(stateAddress)\"\(more("state")) }")
        lines.append("participants:")
        for name in Self.participantNames {
            guard let cluster = participants[name] else { continue }
            let address = addresses[name] ?? cluster.connectionString()
            lines.append("  - { name: \(name), conninfo: \"\(address)\"\(more(name)) }")
        }
        lines += settings
        let file = configurationFile(of: number)
        try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: file))
        let replica = try await ChildReplica(
            command: command + ["--config", file], port: port,
            log: isQuiet ? "\(folder)/replica-\(number).log" : nil, environment: environment)
        replicas.append(replica)
        try await replica.waitUntilReady(showing: token)
        return replica
    }

    private func reservePort() throws -> UInt16 {
        let port = try LoopbackPort.reserve()
        ports.append(port)
        return port.number
    }

    /// The configuration that a replica was last started with.
    func configurationFile(of number: Int) -> String { "\(folder)/replica-\(number).yaml" }

    /// Stops everything that was started here, and removes what need not be kept.
    func stop() async {
        for replica in replicas { await replica.stop() }
        await state.remove()
        for cluster in participants.values { await cluster.remove() }
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// The server processes of a participant's finishing sessions, or nil while not all are open.
    ///
    /// A replica is ready before all of them are. One that opened later would commit what the frozen
    /// ones cannot.
    static func finishers(
        of cluster: PostgresCluster, replica: Int = 1
    ) async throws -> [pid_t]? {
        let found = try await rows(
            cluster,
            "SELECT pid FROM pg_stat_activity WHERE state = 'idle' AND application_name = "
                + "'tandem-finish replica-\(replica)'")
        let pids = found.compactMap { $0[0].flatMap { pid_t($0) } }
        return pids.count == finishersPerReplica ? pids : nil
    }

    /// The configuration's default.
    private static let finishersPerReplica = 4

    /// The rows of a query; nil is NULL.
    @LoopActor
    static func rows(_ cluster: PostgresCluster, _ sql: String) async throws -> [[String?]] {
        let options = try ConnectionOptions(conninfo: cluster.connectionString())
        let connection = try await PostgresConnection.connect(
            options, timeout: .seconds(5), loop: .shared)
        defer { connection.close() }
        let result = try await connection.query(sql)
        return (0..<result.rowCount).map { row in
            result.columns.indices.map { result.text(row: row, column: $0) }
        }
    }
}

/// A replica in a child process, which dies with this process.
final class ChildReplica: Sendable {
    let port: UInt16
    let process: ChildProcess
    private let log: String?
    private let isOver = Lock(false)

    /// Starts it with its log in the file `log`, or in this process's standard error.
    init(
        command arguments: [String], port: UInt16, log: String?, environment: [String: String]
    ) async throws {
        self.port = port
        self.log = log
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        // A test runner is in the same folder as the program.
        let program = URL(fileURLWithPath: own).deletingLastPathComponent().path + "/tandem"
        var command = PostgresClusters.Command(
            program, arguments,
            environment: environment.merging(ProcessInfo.processInfo.environment) { own, _ in own })
        command.errors = try log.map { .descriptor(try Descriptor.appending(to: $0)) } ?? .inherited
        process = try await ChildProcess.start(command.dyingWithParent(signal: "KILL"))
        Task { [process, isOver] in
            _ = await process.exitStatus()
            isOver.withLock { $0 = true }
        }
    }

    /// Polls until the replica is ready: another process offers no event to wait for.
    ///
    /// - Parameter token: An operator's, if the replica has an access file.
    func waitUntilReady(showing token: String? = nil) async throws {
        let client = LoopbackHTTP(port: port, timeoutSeconds: 5, token: token)
        let limit = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < limit {
            // If the replica has ended, another process may answer at its port.
            guard !isOver.withLock({ $0 }) else {
                throw LoopbackHTTP.Failure(
                    description: "the replica ended before it was ready\(lastLogLine)")
            }
            if let answer = try? await client.get("/v1/participants"), answer.status == 200,
                !answer.body.contains("\"connecting\"")
            {
                return
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw LoopbackHTTP.Failure(
            description: "the replica was not ready within 60 s\(lastLogLine)")
    }

    /// The last line of its log, which says why it ended.
    private var lastLogLine: String {
        let text = log.flatMap { FileManager.default.contents(atPath: $0) }
        let line = text.flatMap { String(decoding: $0, as: UTF8.self).split(separator: "\n").last }
        return line.map { ": \($0)" } ?? ""
    }

    func kill() async {
        process.send(SIGKILL)
        _ = await process.exitStatus()
    }

    func stop() async {
        process.send(SIGTERM)
        _ = await process.exitStatus()
    }
}
