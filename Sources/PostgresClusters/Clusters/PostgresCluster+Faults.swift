import FoundationEssentials
import Glibc

extension PostgresCluster {
    /// Crashes the whole cluster, as the machine's power failure would; `restart()` brings it back.
    ///
    /// Every process is ended with SIGKILL, so nobody writes a word more to the log or to a client.
    public func kill() async {
        // The order keeps every pid ours. A stopped postmaster neither forks nor reaps, so its list
        // of children is complete, and no number in it can pass to another process.
        running.postmaster.suspend()
        let segment = sharedMemorySegment()
        for child in ProcessTable.children(of: processID) {
            _ = Glibc.kill(child, SIGKILL)
        }
        running.postmaster.send(SIGKILL)
        await allGone()
        // In good order the postmaster removes its System V segment. What marks the data as in use
        // would outlive the files if the cluster is never started again.
        if let segment { _ = shmctl(segment, IPC_RMID, nil) }
    }

    /// Freezes every process of the cluster: connections stay open and nothing answers.
    public func suspend() {
        running.postmaster.suspend()
        for child in ProcessTable.children(of: processID) {
            _ = Glibc.kill(child, SIGSTOP)
        }
    }

    /// Lets a frozen cluster go on where it stood.
    public func resume() {
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
    /// Starts the server again as a standby that follows nobody.
    ///
    /// It only reads, and shows no prepared transactions; ``promote()`` ends that.
    public func becomeStandby() async throws {
        // The server looks for the file when it starts, and removes it when it is promoted.
        guard FileManager.default.createFile(atPath: "\(data)/standby.signal", contents: nil) else {
            throw ClusterError.programFailed(
                program: "postgres", said: "standby.signal could not be made")
        }
        try await restart()
    }

    /// Promotes a standby: the same system goes on, on a new timeline.
    public func promote() async throws {
        _ = try await psql("SELECT pg_promote(true, 120)")
    }

    /// Makes every commit wait for a synchronous standby that does not exist; returns when it is so.
    ///
    /// Whatever waits then does so until it is cancelled, which PostgreSQL reports as a success with a
    /// warning, until its session is ended, or until the server stops.
    public func requireMissingStandby() async throws {
        _ = try await psql("ALTER SYSTEM SET synchronous_standby_names = 'missing'")
        _ = try await psql("SELECT pg_reload_conf()")
        // A setting is in force when the server has taken it up, which a commit of ours shows.
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

    /// Lets commits wait for nobody again; in PostgreSQL 15 those that wait already go on waiting.
    public func requireNoStandby() async throws {
        _ = try await psql("ALTER SYSTEM RESET synchronous_standby_names")
        _ = try await psql("SELECT pg_reload_conf()")
    }
}
