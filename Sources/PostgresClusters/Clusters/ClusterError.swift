/// The error of a cluster that cannot be created or started.
package enum ClusterError: Error, CustomStringConvertible, Sendable {
    /// None of these folders holds a PostgreSQL server of a suitable version.
    case noServerBinaries(searched: [String])
    /// This process runs as root, and there is no user `postgres` to run the server.
    case noUnprivilegedUser
    /// A program of the installation failed with this output.
    case programFailed(program: String, output: String)
    /// The server ended, or was ended after a timeout, before it accepted connections.
    case serverDidNotStart(name: String, log: String)
    /// The servers' user cannot reach this folder or write to it.
    case folderOutOfReach(String, user: String?)
    /// No port below the system's ephemeral range is free.
    case noFreePort

    /// A message for people that says what to do.
    package var description: String {
        switch self {
        case .noServerBinaries(let searched):
            """
            PostgreSQL \(PostgresInstallation.oldestMajorVersion) or newer is not installed. \
            On Debian: apt-get install postgresql \
            (its server need not run). Elsewhere, set TANDEM_POSTGRES_BIN to the folder that \
            holds initdb and postgres. Searched in: \(searched.joined(separator: ", "))
            """
        case .noUnprivilegedUser:
            """
            PostgreSQL does not run as root, and there is no user "postgres". \
            Install Debian's package postgresql, or run this program as another user.
            """
        case .programFailed(let program, let output):
            "\(program) failed:\n\(output)"
        case .serverDidNotStart(let name, let log):
            "The PostgreSQL server \"\(name)\" did not start. Its log ends with:\n\(log)"
        case .folderOutOfReach(let path, let user):
            """
            \(user.map { "PostgreSQL's user \($0)" } ?? "This user") cannot write to \
            \(path): choose a folder of its own, on a path that it can reach.
            """
        case .noFreePort:
            "There is no free TCP port on 127.0.0.1."
        }
    }
}
