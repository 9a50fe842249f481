import FoundationEssentials
import Glibc

extension PostgresCluster {
    /// Kills every process of the cluster with SIGKILL, like a power failure; `restart()` recovers it.
    package func kill() async {
        // A stopped postmaster neither forks nor reaps. So the list of its children is complete, and
        // none of the pids can be reused.
        running.postmaster.suspend()
        let segment = sharedMemorySegment()
        for child in ProcessTable.children(of: processID) {
            _ = Glibc.kill(child, SIGKILL)
        }
        running.postmaster.send(SIGKILL)
        await allGone()
        // The postmaster could not remove its System V segment, which would outlive the files.
        if let segment { _ = shmctl(segment, IPC_RMID, nil) }
    }

    /// Stops every process of the cluster with SIGSTOP: connections stay open without answers.
    package func suspend() {
        running.postmaster.suspend()
        for child in ProcessTable.children(of: processID) {
            _ = Glibc.kill(child, SIGSTOP)
        }
    }

    /// Continues a suspended cluster.
    package func resume() {
        for child in ProcessTable.children(of: processID) {
            _ = Glibc.kill(child, SIGCONT)
        }
        running.postmaster.send(SIGCONT)
    }

    /// The id of the shared memory segment that the postmaster noted in its pid file.
    private func sharedMemorySegment() -> Int32? {
        guard let file = FileManager.default.contents(atPath: "\(data)/postmaster.pid") else {
            return nil
        }
        let lines = String(decoding: file, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false)
        // Line 7 holds the key and the id.
        guard lines.count > 6 else { return nil }
        return lines[6].split(separator: " ").last.flatMap { Int32($0) }
    }
}

extension PostgresCluster {
    /// Restarts the server as a standby without a primary.
    ///
    /// It is read-only and shows no prepared transactions until ``promote()``.
    package func becomeStandby() async throws {
        // The server reads the file at its start, and removes it at its promotion.
        guard FileManager.default.createFile(atPath: "\(data)/standby.signal", contents: nil) else {
            throw ClusterError.programFailed(
                program: "postgres", output: "cannot create standby.signal")
        }
        try await restart()
    }

    /// Promotes a standby, which starts a new timeline of the same system.
    package func promote() async throws {
        _ = try await psql("SELECT pg_promote(true, 120)")
    }

    /// Makes every commit wait for a synchronous standby that does not exist.
    ///
    /// A commit waits until it is cancelled, which PostgreSQL reports as a success with a warning, until
    /// its session ends, or until the server stops. Returns when the setting is in force.
    package func requireMissingStandby() async throws {
        _ = try await psql("ALTER SYSTEM SET synchronous_standby_names = 'missing'")
        _ = try await psql("SELECT pg_reload_conf()")
        // A commit that waits shows that the setting is in force.
        let probe = Task {
            while !Task.isCancelled {
                _ = try await psql("SELECT pg_logical_emit_message(true, 'standby-probe', '')")
            }
        }
        defer { probe.cancel() }
        let waiting = """
            FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%standby-probe%'
                AND pid <> pg_backend_pid()
            """
        while try await psql("SELECT count(*) \(waiting)") == "0" {
            try await Task.sleep(for: .milliseconds(50))
        }
        probe.cancel()
        while try await psql("SELECT count(pg_cancel_backend(pid)) \(waiting)") != "0" {
            try await Task.sleep(for: .milliseconds(50))
        }
        try await probe.value
    }

    /// Ends ``requireMissingStandby()``; in PostgreSQL 15 commits that already wait continue to wait.
    package func requireNoStandby() async throws {
        _ = try await psql("ALTER SYSTEM RESET synchronous_standby_names")
        _ = try await psql("SELECT pg_reload_conf()")
    }
}
