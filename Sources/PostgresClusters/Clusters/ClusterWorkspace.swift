import FoundationEssentials
import Glibc

/// The folder that holds this process's temporary clusters, and its removal in every event.
///
/// A helper, the janitor, waits for the end of file on a tether that this process and every server
/// and backend hold the other end of. It comes when the last of them is gone, also when this
/// process is killed with SIGKILL and can do nothing itself; then the folder is removed.
actor ClusterWorkspace {
    static let shared = ClusterWorkspace()

    /// A workspace that is there: its folder, and the tether to hand to servers.
    struct Place: Sendable {
        let folder: String
        let tether: Descriptor
        let user: ServerUser
        let installation: PostgresInstallation
    }

    private var place: Task<Place, any Error>?
    private var templates: [ClusterTemplate: Task<String, any Error>] = [:]
    private var number = 0

    /// The workspace, made at the first call.
    func ready() async throws -> Place {
        if let place { return try await place.value }
        let making = Task { try await Self.make() }
        place = making
        return try await making.value
    }

    /// A folder of this workspace that did not exist before, closed to all but the servers' user.
    func newFolder(_ name: String) async throws -> String {
        let place = try await ready()
        number += 1
        let folder = "\(place.folder)/\(number)-\(name)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false)
        try place.user.takeOver(folder)
        return folder
    }

    /// The data directory of a template, initialized at the first call for it.
    func data(of template: ClusterTemplate) async throws -> String {
        if let made = templates[template] { return try await made.value }
        let making = Task {
            let place = try await ready()
            let data = try await newFolder("template") + "/data"
            try await template.initialize(data, place: place)
            return data
        }
        templates[template] = making
        return try await making.value
    }

    private static func make() async throws -> Place {
        let installation = try await PostgresInstallation.find()
        let user = try ServerUser.forServers()
        let parent = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        let folder = "\(parent)/tandem-clusters-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false)
        try user.takeOver(folder)

        let ends = try Descriptor.connectedPair()
        var janitor = Command("/bin/sh", ["-c", "cat > /dev/null; rm -rf -- \"$1\"", "sh", folder])
        janitor.input = .descriptor(ends.parent)
        _ = try await ChildProcess.start(janitor)
        return Place(
            folder: folder, tether: ends.child, user: user, installation: installation)
    }
}
