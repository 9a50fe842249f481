import FoundationEssentials

/// What a fresh data directory holds, so that equal ones are initialized once and then copied.
struct ClusterTemplate: Hashable, Sendable {
    let database: String
    let initialSQL: [String]

    /// Makes the data directory `data`, and stops short of starting a server.
    func initialize(_ data: String, place: ClusterWorkspace.Place) async throws {
        // The copies are what must survive a crash; a template that is lost is made again.
        try await place.run(
            "initdb",
            [
                "-D", data, "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8",
                "--locale=C.UTF-8",
            ])
        if database != "postgres" {
            try await single(["CREATE DATABASE \"\(database)\""], in: "postgres", data, place)
        }
        if !initialSQL.isEmpty {
            try await single(initialSQL, in: database, data, place)
        }
    }

    /// Runs SQL without a server, so that no client library is needed.
    private func single(
        _ statements: [String], in database: String, _ data: String,
        _ place: ClusterWorkspace.Place
    ) async throws {
        // With -j a statement ends at a semicolon followed by an empty line.
        let text = statements.map { "\($0);\n\n" }.joined()
        try await place.run(
            "postgres",
            ["--single", "-j", "-c", "exit_on_error=on", "-c", "fsync=off", "-D", data, database],
            input: text)
    }

    /// Gives the copy in `data` a system identifier of its own.
    ///
    /// PostgreSQL tells servers apart by it, and so does whoever must know whether it still
    /// talks to the same one; copies that share it would pass for one server. It is the first
    /// eight bytes of the control file. `pg_resetwal` then accepts the file in spite of the checksum
    /// that no longer fits, and writes it and a fresh log anew under the new identifier.
    static func renewIdentity(of data: String, place: ClusterWorkspace.Place) async throws {
        let path = "\(data)/global/pg_control"
        guard let control = FileManager.default.contents(atPath: path) else {
            throw ClusterError.programFailed(program: "pg_control", said: "cannot read \(path)")
        }
        // Kept positive when read as a signed number, as PostgreSQL's own are.
        let identifier = UInt64.random(in: 1...UInt64(Int64.max))
        let bytes = unsafe withUnsafeBytes(of: identifier) { unsafe Array($0) }
        try place.write(bytes + control.dropFirst(bytes.count), to: path)
        try await place.run("pg_resetwal", ["--force", "-D", data])
    }
}

extension ClusterWorkspace.Place {
    /// Runs a program of the installation to its end, as the servers' user; throws when it fails.
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
                program: path, said: result.output + result.errors)
        }
    }

    /// Overwrites an existing file, whose owner and rights stay as they are.
    func write(_ bytes: [UInt8], to path: String) throws {
        try Descriptor.overwriting(path).write(bytes)
    }

    /// A small fixed environment: no `PG*` variable of the caller may reach a server.
    var environment: [String: String] {
        ["PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"]
    }
}
