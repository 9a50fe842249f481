import FoundationEssentials
import Glibc

/// The folder of this process's temporary clusters, which is removed in every case.
///
/// A helper process, the janitor, waits for the end of file on a tether. This process, every server and
/// every backend hold its other end. When the last of them is gone, even by SIGKILL, the janitor
/// removes the folder.
actor ClusterWorkspace {
    static let shared = ClusterWorkspace()

    /// An existing workspace: its folder, and the tether for servers.
    struct Place: Sendable {
        let folder: String
        let tether: Descriptor
        let user: ServerUser
        let installation: PostgresInstallation
    }

    private var place: Task<Place, any Error>?
    private var templates: [ClusterTemplate: Task<String, any Error>] = [:]
    private var number = 0

    /// Returns the workspace; the first call creates it.
    func ready() async throws -> Place {
        if let place { return try await place.value }
        let making = Task { try await Self.make() }
        place = making
        return try await making.value
    }

    /// Creates a folder that only the servers' user can read.
    func newFolder(_ name: String) async throws -> String {
        let place = try await ready()
        number += 1
        let folder = "\(place.folder)/\(number)-\(name)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false)
        try place.user.takeOver(folder)
        return folder
    }

    /// Returns the data directory of a template; the first call initializes it.
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
