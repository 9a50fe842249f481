package import EventLoop

extension PostgresConnection {
    /// What is done with a new connection before its first use.
    package typealias Preparation =
        @LoopActor @Sendable (PostgresConnection) async throws -> Void

    /// Connects to the first server that lets us in.
    ///
    /// Nothing of it blocks: host names are resolved on a helper thread. Throws `unreachable`,
    /// also when the time is up or the task is cancelled, and `refused` when the only server said no.
    /// The session is as the options say, whatever a login event trigger there has set.
    ///
    /// - Parameters:
    ///   - timeout: for all servers together; one that is silent leaves the next ones their part.
    ///   - statementsMax: how many prepared statements the session keeps; 0 for none.
    package static func connect(
        _ options: ConnectionOptions, timeout: Duration, statementsMax: Int = 256,
        loop: EventLoop
    ) async throws(PostgresError) -> PostgresConnection {
        do {
            return try await connect(
                options, timeout: timeout, statementsMax: statementsMax, loop: loop, prepare: nil)
        } catch let error as PostgresError {
            throw error
        } catch {
            throw .unreachable("\(error)")
        }
    }

    /// Connects to the first server that lets us in and passes the preparation.
    ///
    /// libpq would stop at the first server that answers, though it may be a former primary, have no room,
    /// or not know the changed password. This tries the next server whatever is wrong with one. If all of
    /// several fail, the error has the reason of each.
    ///
    /// - Parameters:
    ///   - timeout: for connecting to all servers together, and for the preparation on each.
    ///   - prepare: run on a new connection; if it throws, the connection is closed.
    package static func connect(
        _ options: ConnectionOptions, timeout: Duration, statementsMax: Int = 256,
        loop: EventLoop, prepare: Preparation?
    ) async throws -> PostgresConnection {
        let start = loop.now
        let servers = try await servers(of: options, within: timeout, loop)
        var left = timeout - start.duration(to: loop.now)
        var failures: [(place: String, error: any Error)] = []
        for (index, server) in servers.enumerated() {
            // The time that one server does not use is left for the next ones.
            let part = max(left / (servers.count - index), .milliseconds(1))
            let start = loop.now
            let attempt = await connect(
                to: server,
                ConnectionAttempt(timeout: part, statementsMax: statementsMax, loop: loop), loop)
            left -= start.duration(to: loop.now)
            do {
                let connection = try attempt.get()
                try await connection.undoLoginTrigger(timeout: timeout)
                if let prepare { try await connection.prepare(prepare, within: timeout) }
                return connection
            } catch {
                failures.append((server.place, error))
            }
            if Task.isCancelled { break }
        }
        if let only = failures.first, failures.count == 1 { throw only.error }
        // Of one name with several addresses, such as localhost, the one that answered has the cause.
        if Set(servers.map { [$0["host"], $0["port"]] }).count == 1,
            let answer = failures.last(where: { !Self.isUnreachable($0.error) })
        {
            throw answer.error
        }
        throw PostgresError.unreachable(
            failures.map { "\($0.place): \(reason($0.error))" }.joined(separator: "; "))
    }

    private static func isUnreachable(_ error: any Error) -> Bool {
        if case PostgresError.unreachable = error { return true }
        return false
    }

    /// The error without the words that go before the list.
    private static func reason(_ error: any Error) -> String {
        if case PostgresError.unreachable(let reason) = error { return reason }
        return "\(error)"
    }

    private static let cancelled = PostgresError.unreachable(
        "the task that connects was cancelled")

    private static func servers(
        of options: ConnectionOptions, within timeout: Duration, _ loop: EventLoop
    ) async throws(PostgresError) -> [ConnectionOptions] {
        guard HostResolution.isNeeded(options) else {
            return try HostResolution.servers(of: options)
        }
        let lookup = HostLookup(loop: loop)
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation {
                (done: CheckedContinuation<HostLookup.Outcome, Never>) in
                if Task.isCancelled { return done.resume(returning: .failure(cancelled)) }
                lookup.start(options, timeout: timeout) { done.resume(returning: $0) }
            }
        } onCancel: {
            loop.execute { lookup.end(.failure(cancelled)) }
        }
        return try outcome.get()
    }

    private static func connect(
        to server: ConnectionOptions, _ attempt: ConnectionAttempt, _ loop: EventLoop
    ) async -> Result<PostgresConnection, PostgresError> {
        await withTaskCancellationHandler {
            await withCheckedContinuation {
                (done: CheckedContinuation<Result<PostgresConnection, PostgresError>, Never>) in
                if Task.isCancelled { return done.resume(returning: .failure(cancelled)) }
                attempt.start(server) { done.resume(returning: $0) }
            }
        } onCancel: {
            loop.execute { attempt.fail(cancelled) }
        }
    }

    /// Prepares the connection, or closes it.
    private func prepare(_ body: Preparation, within timeout: Duration) async throws {
        // Closing the connection ends a preparation that waits for the server.
        let timer = loop.schedule(after: timeout) { self.close() }
        defer { timer.cancel() }
        do {
            try await withTaskCancellationHandler {
                try await body(self)
            } onCancel: {
                loop.execute { self.close() }
            }
            // It may have been closed after its last reply, while the preparation did other things.
            guard isOpen else {
                throw PostgresError.unreachable("the connection ended while it was prepared")
            }
        } catch {
            close()
            throw error
        }
    }
}
