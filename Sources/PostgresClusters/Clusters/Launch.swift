import FoundationEssentials
import Glibc

/// Starts a server on a data directory, in several attempts if necessary.
struct Launch: Sendable {
    let name: String
    let folder: String
    let settings: [String: String]
    let place: ClusterWorkspace.Place

    private static let startTimeout: Duration = .seconds(60)

    /// Starts the server on any free port.
    ///
    /// A process that ignores reservations may take the port before the server does. The server then
    /// reports that and ends, and the next attempt uses another port.
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

        // Limits the time for the recovery of a long log.
        let watchdog = Task {
            try await Task.sleep(for: Self.startTimeout)
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

    /// Closes this process's reference to the child's end of the stream when it returns.
    ///
    /// While the reference is open, the end of file does not come.
    private func start(port: UInt16, log: Descriptor) async throws -> PostgresCluster.Running {
        let ends = try Descriptor.connectedPair()
        let output = try ServerOutput(reading: ends.parent, log: log)
        var arguments = ["-D", "\(folder)/data"]
        for (key, value) in allSettings(port: port).sorted(by: { $0.key < $1.key }) {
            arguments += ["-c", "\(key)=\(value)"]
        }
        // QUIT stops a server at once together with its backends and its shared memory segment, which
        // KILL would leave.
        var command = Command(
            place.installation.program("postgres"), arguments, environment: place.environment
        ).dyingWithParent(signal: "QUIT", as: place.user)
        command.errors = .descriptor(ends.child)
        command.tether = place.tether
        return PostgresCluster.Running(
            postmaster: try await ChildProcess.start(command), output: output)
    }

    private func allSettings(port: UInt16) -> [String: String] {
        let defaults = [
            "max_prepared_transactions": "100", "max_connections": "200",
            // A machine may be so busy that a client needs more than the usual minute.
            "authentication_timeout": "600",
        ]
        let own = [
            "listen_addresses": "127.0.0.1", "port": "\(port)", "unix_socket_directories": "",
            "logging_collector": "off", "log_destination": "stderr", "log_min_messages": "warning",
        ]
        return defaults.merging(settings) { $1 }.merging(own) { $1 }
    }
}

extension ClusterWorkspace.Place {
    /// Returns a folder outside the workspace that the servers' user can write to; creates it if missing.
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

    /// Throws if the servers' user cannot reach the folder, for example inside root's home.
    private func canEnter(_ path: String) async throws {
        let test = Command(
            "/usr/bin/test", ["-w", path, "-a", "-x", path], environment: environment
        ).dyingWithParent(signal: "KILL", as: user)
        guard try await test.run().succeeded else {
            throw ClusterError.folderOutOfReach(path, user: user.name)
        }
    }
}
