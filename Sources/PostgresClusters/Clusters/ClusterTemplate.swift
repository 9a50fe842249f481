import FoundationEssentials

/// The content of a new data directory; equal ones are initialized once and then copied.
struct ClusterTemplate: Hashable, Sendable {
    let database: String
    let initialSQL: [String]

    /// Creates the data directory `data` without starting a server.
    func initialize(_ data: String, place: ClusterWorkspace.Place) async throws {
        // Only the copies must survive a crash; a lost template is created again.
        try await place.run(
            "initdb",
            [
                "-D", data, "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8",
                "--locale=C.UTF-8",
            ])
        if database != "postgres" {
            try await runSingleUser(
                ["CREATE DATABASE \"\(database)\""], in: "postgres", of: data, place: place)
        }
        if !initialSQL.isEmpty {
            try await runSingleUser(initialSQL, in: database, of: data, place: place)
        }
    }

    /// Runs SQL without a server, which needs no client library.
    private func runSingleUser(
        _ statements: [String], in database: String, of data: String,
        place: ClusterWorkspace.Place
    ) async throws {
        // With -j a semicolon followed by an empty line ends a statement.
        let text = statements.map { "\($0);\n\n" }.joined()
        try await place.run(
            "postgres",
            ["--single", "-j", "-c", "exit_on_error=on", "-c", "fsync=off", "-D", data, database],
            input: text)
    }

    /// Gives the copy in `data` a new system identifier, which distinguishes servers.
    ///
    /// It is the first eight bytes of the control file. `pg_resetwal` accepts the file despite its wrong
    /// checksum, and writes it and a new log with the new identifier.
    static func renewIdentity(of data: String, place: ClusterWorkspace.Place) async throws {
        let path = "\(data)/global/pg_control"
        guard let control = FileManager.default.contents(atPath: path) else {
            throw ClusterError.programFailed(program: "pg_control", output: "cannot read \(path)")
        }
        // Positive as a signed number, as PostgreSQL's own identifiers are.
        let identifier = UInt64.random(in: 1...UInt64(Int64.max))
        let bytes = unsafe withUnsafeBytes(of: identifier) { unsafe Array($0) }
        // Keeps the file's owner and rights.
        try Descriptor.overwriting(path).write(bytes + control.dropFirst(bytes.count))
        try await place.run("pg_resetwal", ["--force", "-D", data])
    }
}

extension ClusterWorkspace.Place {
    /// Runs a program of the installation as the servers' user; throws if it fails.
    func run(_ program: String, _ arguments: [String], input: String = "") async throws {
        try await run(path: installation.program(program), arguments, input: input)
    }

    /// Copies a tree with its owners, as the servers' user.
    func copy(_ source: String, to target: String) async throws {
        try await run(path: "/bin/cp", ["-a", "--reflink=auto", source, target])
    }

    private func run(path: String, _ arguments: [String], input: String = "") async throws {
        let command = Command(path, arguments, environment: environment)
            .dyingWithParent(signal: "KILL", as: user)
        let result = try await command.run(input: input)
        guard result.succeeded else {
            throw ClusterError.programFailed(
                program: path, output: result.output + result.errors)
        }
    }

    /// A fixed environment, without the caller's `PG*` variables.
    var environment: [String: String] {
        ["PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"]
    }
}
