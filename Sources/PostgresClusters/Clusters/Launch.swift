import FoundationEssentials
import Glibc

/// One attempt after another to start a server on a data directory.
struct Launch: Sendable {
    let name: String
    let folder: String
    let settings: [String: String]
    let place: ClusterWorkspace.Place

    private static let patience: Duration = .seconds(60)

    /// Starts the server on a port of its choice.
    ///
    /// A process that knows nothing of reservations may take the port before the server does; then the
    /// server says so and ends, and another port is tried.
    func onAnyFreePort() async throws -> (LoopbackPort, PostgresCluster.Running) {
        var attemptsLeft = 10
        while true {
            let port = try LoopbackPort.reserve()
            do {
                return (port, try await on(port.number))
            } catch ClusterError.serverDidNotStart(_, let log)
                where log.contains("Address already in use") && attemptsLeft > 1
            {
                attemptsLeft -= 1
            }
        }
    }

    /// Starts the server on `port`, and returns when it accepts connections.
    func on(_ port: UInt16) async throws -> PostgresCluster.Running {
        let logPath = "\(folder)/server.log"
        let log = try Descriptor.appending(to: logPath)
        let begin = log.length
        let running = try await start(port: port, log: log)

        // A server that recovers a long log may take its time, but not for ever.
        let watchdog = Task {
            try await Task.sleep(for: Self.patience)
            running.postmaster.send(SIGKILL)
        }
        defer { watchdog.cancel() }
        guard await running.output.ready.value else {
            _ = await running.postmaster.exitStatus()
            let text = FileManager.default.contents(atPath: logPath)?.dropFirst(begin) ?? Data()
            let tail = String(decoding: text.suffix(4_096), as: UTF8.self)
            throw ClusterError.serverDidNotStart(name: name, log: tail)
        }
        return running
    }

    /// Our own reference to the child's end of the stream lives no longer than this call: as long as
    /// it is open here, the end of file does not come, and who waits for it waits for ever.
    private func start(port: UInt16, log: Descriptor) async throws -> PostgresCluster.Running {
        let ends = try Descriptor.connectedPair()
        let output = try ServerOutput(reading: ends.parent, log: log)
        var arguments = ["-D", "\(folder)/data"]
        for (key, value) in allSettings(port: port).sorted(by: { $0.key < $1.key }) {
            arguments += ["-c", "\(key)=\(value)"]
        }
        // QUIT stops a server at once and in order: it takes its backends and its shared memory
        // segment with it, which KILL would leave behind.
        var command = Command(
            place.installation.program("postgres"), arguments, environment: place.environment
        ).dyingWithParent(signal: "QUIT", as: place.user)
        command.errors = .descriptor(ends.child)
        command.tether = place.tether
        return PostgresCluster.Running(
            postmaster: try await ChildProcess.start(command), output: output)
    }

    private func allSettings(port: UInt16) -> [String: String] {
        let defaults = ["max_prepared_transactions": "100", "max_connections": "200"]
        let own = [
            "listen_addresses": "127.0.0.1", "port": "\(port)", "unix_socket_directories": "",
            "logging_collector": "off", "log_destination": "stderr", "log_min_messages": "warning",
        ]
        return defaults.merging(settings) { $1 }.merging(own) { $1 }
    }
}

extension ClusterWorkspace.Place {
    /// Makes sure of a folder outside the workspace, which the servers' user owns and can reach.
    func keptFolder(_ path: String) async throws -> String {
        let absolute =
            path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)"
        if !FileManager.default.fileExists(atPath: absolute) {
            try FileManager.default.createDirectory(
                atPath: absolute, withIntermediateDirectories: true)
            try user.takeOver(absolute)
        }
        try await canEnter(absolute)
        return absolute
    }

    /// Another user may stand before a closed folder on the way there, such as root's home.
    private func canEnter(_ path: String) async throws {
        let look = Command(
            "/usr/bin/test", ["-w", path, "-a", "-x", path], environment: environment
        ).dyingWithParent(signal: "KILL", as: user)
        guard try await look.run().succeeded else {
            throw ClusterError.folderOutOfReach(path, user: user.name)
        }
    }
}
