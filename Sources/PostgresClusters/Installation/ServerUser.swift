import Glibc

/// The system user that runs the server's programs.
///
/// PostgreSQL refuses to run as root, so root switches to the user `postgres` of Debian's package.
enum ServerUser: Sendable, Hashable {
    /// The user of this process.
    case current
    /// Another user, by name and numeric ids.
    case other(name: String, user: uid_t, group: gid_t)

    /// The user for servers of this process; throws `ClusterError.noUnprivilegedUser`.
    static func forServers() throws -> ServerUser {
        guard geteuid() == 0 else { return .current }
        guard let entry = unsafe getpwnam("postgres") else { throw ClusterError.noUnprivilegedUser }
        return unsafe .other(
            name: "postgres", user: entry.pointee.pw_uid, group: entry.pointee.pw_gid)
    }

    /// The name of another user.
    var name: String? {
        switch self {
        case .current: nil
        case .other(let name, _, _): name
        }
    }

    var setprivArguments: [String] {
        switch self {
        case .current: []
        case .other(let name, _, _): ["--reuid", name, "--regid", name, "--clear-groups"]
        }
    }

    /// Makes this user the owner of a path, without access for others.
    func takeOver(_ path: String) throws {
        if case .other(_, let user, let group) = self {
            guard unsafe chown(path, user, group) == 0 else {
                throw SystemError(call: "chown \(path)", code: errno)
            }
        }
        guard unsafe chmod(path, 0o700) == 0 else {
            throw SystemError(call: "chmod \(path)", code: errno)
        }
    }
}
