/// Why a throwaway cluster could not be made or started.
public enum ClusterError: Error, CustomStringConvertible, Sendable {
    /// No PostgreSQL server of a suitable version is installed in any of these folders.
    case noServerBinaries(looked: [String])
    /// This process is root, and the user `postgres` to hand over to does not exist.
    case noUnprivilegedUser
    /// A program of the installation failed; `said` is what it wrote.
    case programFailed(program: String, said: String)
    /// The server ended, or was ended after too long a wait, before it accepted connections.
    case serverDidNotStart(name: String, log: String)
    /// The servers' user cannot work in this folder, or not reach it.
    case folderOutOfReach(String, user: String?)
    /// No port below the system's ephemeral range is free.
    case noFreePort

    /// One or a few sentences fit for a person, which say what to do.
    public var description: String {
        switch self {
        case .noServerBinaries(let looked):
            """
            PostgreSQL \(PostgresInstallation.oldestMajorVersion) or newer is not installed. \
            On Debian: apt-get install postgresql \
            (its server need not run). Elsewhere, set TANDEM_POSTGRES_BIN to the folder that \
            holds initdb and postgres. Looked in: \(looked.joined(separator: ", "))
            """
        case .noUnprivilegedUser:
            """
            PostgreSQL does not run as root, and there is no user "postgres" to run it as. \
            Install Debian's package postgresql, or run this as another user.
            """
        case .programFailed(let program, let said):
            "\(program) failed:\n\(said)"
        case .serverDidNotStart(let name, let log):
            "The PostgreSQL server \"\(name)\" did not start. Its log ends with:\n\(log)"
        case .folderOutOfReach(let path, let user):
            """
            \(user.map { "The user \($0), as whom PostgreSQL runs," } ?? "This user") cannot work in \
            \(path): give a folder of its own, on a path that is open to it.
            """
        case .noFreePort:
            "No free TCP port was found on 127.0.0.1."
        }
    }
}
