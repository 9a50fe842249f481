import FoundationEssentials
package import Glibc

/// A PostgreSQL server on a free port of 127.0.0.1, for tests, demonstrations and measurements.
///
/// It starts in a fraction of a second and accepts every local connection without a password; the user
/// `postgres` is the superuser. Its processes end when this process ends, for whatever reason. A
/// temporary cluster leaves no files. Any number of clusters may run at the same time.
package actor PostgresCluster {
    /// Where the data is.
    package enum Storage: Sendable, Hashable {
        /// In a folder that is removed when this process ends, at the latest.
        case temporary
        /// In `directory/<name>`, which is initialized if empty, and kept.
        case kept(directory: String)
    }

    /// How to stop a server.
    package enum StopMode: Sendable {
        /// Disconnect the clients, write a checkpoint, and end.
        case fast
        /// End at once; the next start recovers from the log, as after a crash.
        case immediate
    }

    /// The cluster's name.
    package nonisolated let name: String
    /// The TCP port on 127.0.0.1, which restarts do not change.
    package nonisolated var port: UInt16 { reservedPort.number }
    /// The database that was created with the cluster.
    package nonisolated let database: String
    /// The absolute path of the server's log.
    package nonisolated let logPath: String

    let data: String
    var running: Running
    private nonisolated let reservedPort: LoopbackPort
    private let settings: [String: String]
    private let storage: Storage
    private let folder: String
    private let place: ClusterWorkspace.Place

    /// A postmaster and the log stream of all its processes.
    struct Running {
        let postmaster: ChildProcess
        let output: ServerOutput
    }

    private init(
        name: String, port: LoopbackPort, folder: String, template: ClusterTemplate,
        storage: Storage,
        settings: [String: String], running: Running, place: ClusterWorkspace.Place
    ) {
        self.name = name
        reservedPort = port
        self.folder = folder
        self.database = template.database
        self.data = "\(folder)/data"
        self.logPath = "\(folder)/server.log"
        self.storage = storage
        self.settings = settings
        self.running = running
        self.place = place
    }

    /// Creates a cluster and starts it; returns when it accepts connections.
    ///
    /// - Parameters:
    ///   - name: For errors and folder names: letters, digits and hyphens.
    ///   - storage: Whether the data is kept.
    ///   - database: Created with the cluster, unless it is `postgres` or the kept data exists.
    ///   - settings: Server settings, such as `max_prepared_transactions` (default 100) or `fsync`
    ///     (default on). The address, the port and the log's destination cannot be set.
    ///   - initialSQL: Statements without semicolon, which the superuser runs once in `database` when
    ///     the data is initialized.
    /// - Throws: `ClusterError`, or `SystemError` from the file system.
    package static func start(
        name: String, storage: Storage = .temporary, database: String = "postgres",
        settings: [String: String] = [:], initialSQL: [String] = []
    ) async throws -> PostgresCluster {
        let template = ClusterTemplate(database: database, initialSQL: initialSQL)
        let workspace = ClusterWorkspace.shared
        let place = try await workspace.ready()
        let folder: String
        switch storage {
        case .temporary: folder = try await workspace.newFolder(name)
        case .kept(let directory): folder = try await place.keptFolder("\(directory)/\(name)")
        }
        do {
            if !FileManager.default.fileExists(atPath: "\(folder)/data/PG_VERSION") {
                let source = try await workspace.data(of: template)
                // Under another name first, so that an interrupted start leaves no partial data.
                let making = "\(folder)/data.making"
                try? FileManager.default.removeItem(atPath: making)
                try await place.copy(source, to: making)
                try await ClusterTemplate.renewIdentity(of: making, place: place)
                try FileManager.default.moveItem(atPath: making, toPath: "\(folder)/data")
            }
            let launch = Launch(name: name, folder: folder, settings: settings, place: place)
            let (port, running) = try await launch.onAnyFreePort()
            return PostgresCluster(
                name: name, port: port, folder: folder, template: template, storage: storage,
                settings: settings, running: running, place: place)
        } catch {
            if storage == .temporary { try? FileManager.default.removeItem(atPath: folder) }
            throw error
        }
    }

    /// Runs a body with a temporary cluster, which is removed in every case.
    package static func withTemporary<Result: Sendable>(
        name: String = "test", database: String = "postgres", settings: [String: String] = [:],
        initialSQL: [String] = [],
        _ body: @Sendable (PostgresCluster) async throws -> Result
    ) async throws -> Result {
        let cluster = try await start(
            name: name, database: database, settings: settings, initialSQL: initialSQL)
        do {
            let result = try await body(cluster)
            await cluster.remove()
            return result
        } catch {
            await cluster.remove()
            throw error
        }
    }

    /// The postmaster's pid, which restarts change.
    package var processID: pid_t { running.postmaster.processID }

    /// A libpq connection string in keyword form.
    package nonisolated func connectionString(
        database: String? = nil, user: String = "postgres"
    ) -> String {
        "host=127.0.0.1 port=\(port) dbname=\(database ?? self.database) user=\(user)"
    }

    /// Stops the server; returns when all its processes have ended.
    package func stop(_ mode: StopMode = .fast) async {
        running.postmaster.send(mode == .fast ? SIGINT : SIGQUIT)
        // A suspended postmaster handles the signal only after SIGCONT.
        running.postmaster.send(SIGCONT)
        await allGone()
    }

    /// Stops the server if it runs, and starts it again on the same port and data.
    package func restart() async throws {
        await stop(.fast)
        let launch = Launch(name: name, folder: folder, settings: settings, place: place)
        running = try await launch.on(port)
    }

    /// Restarts this cluster and starts a temporary copy of it on another port.
    ///
    /// The copy has the same system identifier, like a standby.
    package func copy(as name: String) async throws -> PostgresCluster {
        await stop(.fast)
        let copy = try await ClusterWorkspace.shared.newFolder(name)
        do {
            try await place.copy(data, to: "\(copy)/data")
            try await restart()
            let launch = Launch(name: name, folder: copy, settings: settings, place: place)
            let (port, running) = try await launch.onAnyFreePort()
            return PostgresCluster(
                name: name, port: port, folder: copy,
                template: ClusterTemplate(database: database, initialSQL: []),
                storage: .temporary, settings: settings, running: running, place: place)
        } catch {
            try? FileManager.default.removeItem(atPath: copy)
            throw error
        }
    }

    /// Stops the server, and removes the files of a temporary cluster.
    package func remove() async {
        await stop(storage == .temporary ? .immediate : .fast)
        if storage == .temporary { try? FileManager.default.removeItem(atPath: folder) }
    }

    /// Waits until the postmaster and every backend have ended.
    func allGone() async {
        _ = await running.postmaster.exitStatus()
        await running.output.ended.value
    }
}

extension PostgresCluster {
    /// The format of printed rows.
    package enum RowFormat: Sendable {
        /// One row per line, values separated by `|`, without a header.
        case values
        /// A table with column names, for people.
        case table
    }

    /// Runs SQL with `psql` in a new session, and returns its output without the last newline.
    ///
    /// It shares no code with the client under test. Throws `ClusterError.programFailed` with
    /// PostgreSQL's message if the SQL or the connection fails.
    package nonisolated func psql(
        _ sql: String, database: String? = nil, user: String = "postgres",
        format: RowFormat = .values
    ) async throws -> String {
        let installation = try await ClusterWorkspace.shared.ready().installation
        let command = Command(
            installation.program("psql"),
            ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
                + (format == .values ? ["--no-align", "--tuples-only"] : [])
                + [connectionString(database: database, user: user)],
            environment: ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "10"])
        let result = try await command.run(input: sql)
        guard result.succeeded else {
            throw ClusterError.programFailed(program: "psql", output: result.errors)
        }
        return result.output.hasSuffix("\n") ? String(result.output.dropLast()) : result.output
    }

    /// Creates an empty folder that is removed when this process and its clusters have ended.
    ///
    /// It is for files that belong to the clusters, such as the configuration of a program that uses
    /// them. Returns its absolute path; only the servers' user and root can read it.
    package static func temporaryFolder(_ name: String) async throws -> String {
        try await ClusterWorkspace.shared.newFolder(name)
    }
}
