extension PostgresCluster {
    /// How rows are printed.
    public enum RowFormat: Sendable {
        /// One row a line, values separated by `|`, nothing else.
        case values
        /// A table with column names, for a person to read.
        case table
    }

    /// Runs SQL with `psql` in a session of its own and returns what it prints, without the last newline.
    ///
    /// A second pair of eyes that shares no code with the client under test. Throws
    /// `ClusterError.programFailed` with PostgreSQL's message when the SQL or the connection fails.
    public nonisolated func psql(
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
            throw ClusterError.programFailed(program: "psql", said: result.errors)
        }
        return result.output.hasSuffix("\n") ? String(result.output.dropLast()) : result.output
    }
}
