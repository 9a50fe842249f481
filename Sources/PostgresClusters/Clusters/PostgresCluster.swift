import FoundationEssentials
public import Glibc

/// A PostgreSQL server of one's own, on a free port of 127.0.0.1, made in a fraction of a second.
///
/// It accepts every connection from this machine without a password (user `postgres` is the
/// superuser), so it is for tests, demonstrations and measurements. Its processes end when this
/// process ends, of whatever cause, and a temporary one leaves no file behind. Clusters of one
/// or of many processes may run at the same time.
public actor PostgresCluster {
    /// Where the data lives.
    public enum Storage: Sendable, Hashable {
        /// In a folder that goes away with this process at the latest.
        case temporary
        /// In `directory/<name>`, initialized when it is empty, and kept.
        case kept(directory: String)
    }

    /// How a server is asked to stop.
    public enum StopMode: Sendable {
        /// Disconnects the clients, writes a checkpoint, and ends cleanly.
        case fast
        /// Ends at once; the next start recovers from the log, as after a crash.
        case immediate
    }

    /// The name that it was started under.
    public nonisolated let name: String
    /// The TCP port on 127.0.0.1, the same over restarts.
    public nonisolated var port: UInt16 { reservedPort.number }
    /// The database that was made with the cluster.
    public nonisolated let database: String
    /// Absolute path of the file that the server logs to.
    public nonisolated let logPath: String

    let data: String
    var running: Running
    private nonisolated let reservedPort: LoopbackPort
    private let settings: [String: String]
    private let storage: Storage
    private let folder: String
    private let place: ClusterWorkspace.Place

    /// A postmaster and the stream that it and its backends hold.
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

    /// Makes a cluster and starts it; returns when it accepts connections.
    ///
    /// - Parameters:
    ///   - name: shown in errors and used in folder names: letters, digits and hyphens.
    ///   - storage: whether the data is kept.
    ///   - database: made with the cluster unless it is `postgres`; not made in kept data that exists.
    ///   - settings: server settings, such as `max_prepared_transactions` (100 unless given)
    ///     or `fsync` (on unless given; tests that do not pull plugs turn it off). The address, the
    ///     port and where the log goes are the cluster's own affair and cannot be set.
    ///   - initialSQL: statements without their semicolon, run once in `database` by the superuser when
    ///     the data is initialized.
    /// - Throws: `ClusterError`, or `SystemError` from the file system.
    public static func start(
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
                // Made beside its place, so that what an interrupted start leaves is never taken for
                // a whole data directory.
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

    /// Runs `body` with a temporary cluster, and removes it whether or not `body` throws.
    public static func withTemporary<Result: Sendable>(
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

    /// The postmaster's pid; another one after a restart.
    public var processID: pid_t { running.postmaster.processID }

    /// A libpq connection string in keyword form.
    public nonisolated func connectionString(
        database: String? = nil, user: String = "postgres"
    ) -> String {
        "host=127.0.0.1 port=\(port) dbname=\(database ?? self.database) user=\(user)"
    }

    /// Stops the server and returns when none of its processes is left.
    public func stop(_ mode: StopMode = .fast) async {
        running.postmaster.send(mode == .fast ? SIGINT : SIGQUIT)
        // A stopped postmaster takes the signal only once it runs again.
        running.postmaster.send(SIGCONT)
        await allGone()
    }

    /// Starts the server again on the same port and data; stops it first if it runs.
    public func restart() async throws {
        await stop(.fast)
        let launch = Launch(name: name, folder: folder, settings: settings, place: place)
        running = try await launch.on(port)
    }

    /// Starts a copy of this cluster as it is now, on a port of its own, and this one again.
    ///
    /// It is the same system for PostgreSQL, as a standby is: it has the same system identifier. The copy
    /// is a temporary one.
    public func copy(as name: String) async throws -> PostgresCluster {
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

    /// Ends the server; a temporary cluster's files are removed, a kept one's stay.
    public func remove() async {
        await stop(storage == .temporary ? .immediate : .fast)
        if storage == .temporary { try? FileManager.default.removeItem(atPath: folder) }
    }

    /// Waits until the postmaster and every backend has ended.
    func allGone() async {
        _ = await running.postmaster.exitStatus()
        await running.output.ended.value
    }
}
