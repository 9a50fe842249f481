import FoundationEssentials

/// A PostgreSQL installation of this machine.
package struct PostgresInstallation: Sendable, Hashable {
    /// The oldest supported major version.
    package static let oldestMajorVersion = 15

    /// The folder that holds `initdb`, `postgres` and the like.
    package let binaries: String
    /// The server's major version.
    package let majorVersion: Int

    /// The absolute path of a program.
    package func program(_ name: String) -> String {
        "\(binaries)/\(name)"
    }

    /// Finds the newest suitable installation.
    ///
    /// It uses `TANDEM_POSTGRES_BIN` if that is set. Otherwise it searches Debian's folders, the newest
    /// version first, then the folder that `pg_config` reports, then `PATH`. Throws
    /// `ClusterError.noServerBinaries`, which names the folders and the package to install.
    ///
    /// - Parameter environment: The variables to use; by default those of this process.
    package static func find(
        environment: [String: String]? = nil
    ) async throws -> PostgresInstallation {
        let environment = environment ?? ProcessInfo.processInfo.environment
        var searched: [String] = []
        for folder in await candidates(environment: environment) {
            if let found = await inspect(folder) { return found }
            searched.append(folder)
        }
        throw ClusterError.noServerBinaries(searched: searched)
    }

    private static func candidates(environment: [String: String]) async -> [String] {
        if let folder = environment["TANDEM_POSTGRES_BIN"], !folder.isEmpty { return [folder] }
        let debian = "/usr/lib/postgresql"
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: debian)) ?? []
        var folders = versions.compactMap { Int($0) }.sorted(by: >).map { "\(debian)/\($0)/bin" }
        let path = (environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin")
            .split(separator: ":").map(String.init)
        for folder in path where isExecutable("\(folder)/pg_config") {
            let answer = try? await Command("\(folder)/pg_config", ["--bindir"]).run()
            if let line = answer?.output.split(separator: "\n").first {
                folders.append(String(line))
            }
        }
        folders += path
        var seen: Set<String> = []
        return folders.filter { seen.insert($0).inserted }
    }

    private static func inspect(_ folder: String) async -> PostgresInstallation? {
        let needed = ["initdb", "postgres", "pg_resetwal"].map { "\(folder)/\($0)" }
        guard needed.allSatisfy(isExecutable) else { return nil }
        // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", or "17beta1" before a release
        guard let answer = try? await Command("\(folder)/postgres", ["--version"]).run(),
            let version = answer.output.split(separator: " ").dropFirst(2).first,
            let major = Int(version.prefix { $0.isNumber }),
            major >= oldestMajorVersion
        else { return nil }
        return PostgresInstallation(binaries: folder, majorVersion: major)
    }

    private static func isExecutable(_ path: String) -> Bool {
        FileManager.default.isExecutableFile(atPath: path)
    }
}
