import FoundationEssentials
import Glibc
import PostgresClusters
import Testing

/// Clean-up after the process that owns a cluster was killed.
@Suite struct OwnerDeathTests {
    @Test func nothingOutlivesAKilledOwner() async throws {
        let result = await #expect(
            processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]
        ) {
            let cluster = try await PostgresCluster.start(name: "orphan")
            await report(cluster)
            kill(getpid(), SIGKILL)
        }
        try await expectNothingLeft(of: try #require(result))
    }

    @Test func aFrozenClusterDoesNotOutliveItEither() async throws {
        let result = await #expect(
            processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]
        ) {
            let cluster = try await PostgresCluster.start(name: "orphan")
            await cluster.suspend()
            await report(cluster)
            kill(getpid(), SIGKILL)
        }
        try await expectNothingLeft(of: try #require(result))
    }

    private func expectNothingLeft(of result: ExitTest.Result) async throws {
        let text = String(decoding: result.standardOutputContent, as: UTF8.self)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("cluster ") })
        let fields = line.split(separator: " ")
        let postmaster = try #require(pid_t(fields[1]))
        let workspace = String(fields[2])
        // These processes are not children of the test, so it must poll for their end. A suspended
        // backend lasts until the postmaster ends it after five seconds.
        for _ in 0..<300 {
            if kill(postmaster, 0) != 0 && !FileManager.default.fileExists(atPath: workspace) {
                return
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("postmaster \(postmaster) or \(workspace) is still there")
    }
}

/// Reports the postmaster's pid and the workspace's folder to the parent process.
private func report(_ cluster: PostgresCluster) async {
    let clusterFolder = cluster.logPath.split(separator: "/").dropLast(2).joined(separator: "/")
    let line = "cluster \(await cluster.processID) /\(clusterFolder)\n"
    _ = write(1, line, line.utf8.count)
}
