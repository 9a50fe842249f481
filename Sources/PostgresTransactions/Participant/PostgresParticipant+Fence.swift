import EventLoop
import Logging
import PostgresClient
import TransactionEngine

/// The fence: ends sessions that might still prepare something, and proves them gone.
extension PostgresParticipant {
    /// Passes the fence, or says which sessions are still there.
    func obstacle(of fence: Fence) async throws -> String? {
        switch fence {
        case .none: nil
        case .session(let session):
            try await end(session) ? nil : "its session is not proved gone"
        case .formerIncarnations:
            await fenceFormerIncarnations()
                ? nil : "a session of a former incarnation is not proved gone"
        }
    }

    /// Ends the sessions of incarnations that are over, and says whether they are proved gone.
    ///
    /// Calls that come while a fence runs share the next one: a fence only counts for what was known to
    /// be over before it began.
    func fenceFormerIncarnations() async -> Bool {
        await fence { [self] in
            do {
                return try await finishers.withConnection(timeout: options.connectTimeout) {
                    connection in
                    guard let facts = connection.session?.facts else { return false }
                    let sessions = try await self.registry.formerSessions(
                        of: self.options.name, on: facts.systemIdentifier)
                    return try await self.end(sessions, on: connection)
                }
            } catch {
                logger.warning(
                    "cannot end lost sessions yet; trying again later",
                    metadata: ["participant": "\(options.name)", "error": "\(error)"])
                return false
            }
        }
    }

    /// Terminates a session and waits until it is gone.
    private func end(_ session: SessionIdentity) async throws -> Bool {
        try await finishers.withConnection(timeout: options.connectTimeout) { connection in
            try await self.end([session], on: connection)
        }
    }

    /// Terminates these backends, matched by pid and start, and waits until they are gone.
    ///
    /// A backend is gone if no backend has its pid, or one that started at another time. One whose start
    /// our role may not see may be the same; and on another server nothing can be seen.
    private func end(
        _ sessions: [SessionIdentity], on connection: PostgresConnection
    ) async throws -> Bool {
        if sessions.isEmpty { return true }
        guard let facts = connection.session?.facts,
            sessions.allSatisfy({ $0.systemIdentifier == facts.systemIdentifier })
        else { return false }
        _ = try await connection.query(
            "SELECT pg_terminate_backend(a.pid, 5000) \(Self.backends) WHERE \(Self.isSame)",
            Self.parameters(sessions), timeout: .seconds(30))
        guard try await indicesOfRunning(sessions, on: connection).isEmpty else { return false }
        try await registry.forget(sessions, of: options.name)
        return true
    }

    /// Forgets recorded sessions of any incarnation that are gone, in batches.
    ///
    /// A session is closed whenever the work in it was cancelled. Were its record kept until the next
    /// fence, there could be more records by then than a fence can check.
    func forgetGoneSessions(_ limit: Int) async throws {
        try await finishers.withConnection(timeout: options.connectTimeout) { connection in
            guard let system = connection.session?.facts.systemIdentifier else { return }
            var page: [SessionIdentity] = []
            repeat {
                // A session starts before it is recorded, so a recorded one that does not run is gone.
                page = try await self.registry.recorded(
                    of: self.options.name, on: system, after: page.last, limit: limit)
                if page.isEmpty { return }
                let running = try await self.indicesOfRunning(page, on: connection)
                let gone = page.indices.filter { !running.contains($0) }
                try await self.registry.forget(gone.map { page[$0] }, of: self.options.name)
            } while page.count == limit
        }
    }

    /// The indices of those of these backends that are not proved gone.
    private func indicesOfRunning(
        _ sessions: [SessionIdentity], on connection: PostgresConnection
    ) async throws -> Set<Int> {
        Set(
            try await connection.rows(
                Self.running, Self.parameters(sessions), timeout: .seconds(30)))
    }

    private static let running = Query<Int>(
        "SELECT x.place - 1 \(backends) WHERE a.backend_start IS NULL OR \(isSame)"
    ) { $0.value() }

    private static func parameters(_ sessions: [SessionIdentity]) -> [String] {
        [
            ArrayLiteral.write(sessions.map { Int64($0.processID) }),
            ArrayLiteral.write(sessions.map(\.startedAt)),
        ]
    }

    private static let backends = """
        FROM pg_stat_activity AS a
        JOIN unnest($1::integer[], $2::bigint[]) WITH ORDINALITY AS x(pid, start, place)
            ON a.pid = x.pid
        """
    private static let isSame = "(extract(epoch FROM a.backend_start) * 1000000)::bigint = x.start"
}
