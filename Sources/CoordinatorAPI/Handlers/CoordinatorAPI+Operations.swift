import AccessControl
import HTTPServer
import HTTPTypes
import TransactionEngine

/// Participants and health.
extension CoordinatorAPI {
    func listParticipants(
        _ request: ServerRequest, for caller: Principal
    ) async throws(Problem) -> ServerResponse {
        try NoQuery.require(request.queryItems())
        var participants: [(ParticipantStatus, [ReportedTransaction])] = []
        for status in await engine.participantStatuses() {
            participants.append((status, await engine.reportedTransactions(in: status.name)))
        }
        var writer = JSONWriter()
        writer.object { writer in
            writer.name("participants")
            writer.array(participants) { $0.0.write(unresolved: $0.1, to: &$1) }
        }
        return ServerResponse(.ok, .json, body: writer.bytes)
    }

    func showParticipant(
        _ request: ServerRequest, for caller: Principal
    ) async throws(Problem) -> ServerResponse {
        try NoQuery.require(request.queryItems())
        let status = try await participant(of: request)
        var writer = JSONWriter()
        status.write(
            unresolved: await engine.reportedTransactions(in: status.name), to: &writer)
        return ServerResponse(.ok, .json, body: writer.bytes)
    }

    /// Lists the sessions that wait for a lock in a participant's database now, with their blockers.
    func listWaits(
        _ request: ServerRequest, as type: MediaType, for caller: Principal
    ) async throws(Problem) -> ServerResponse {
        try NoQuery.require(request.queryItems())
        let name = try await participant(of: request).name
        let waits: [LockWaitReport]
        do throws(ParticipantUnreachable) {
            waits = try await engine.waits(in: name)
        } catch {
            throw Problem(error, reading: name)
        }
        return ServerResponse(
            .ok, type,
            body: type == .text ? LockWaitRendering.lines(waits) : LockWaitRendering.json(waits))
    }

    func participant(
        of request: ServerRequest
    ) async throws(Problem) -> ParticipantStatus {
        let name = request.parameters["name"]
        guard let status = await engine.participantStatuses().first(where: { $0.name == name })
        else {
            throw Problem(
                .notFound, "No participant has this name; GET /v1/participants lists all.")
        }
        return status
    }

    /// Says whether a request could be accepted.
    ///
    /// Participants do not count: one that is down concerns only the requests that use it.
    func showReadiness(_ request: ServerRequest) async throws(Problem) -> ServerResponse {
        let isVerbose = try HealthQuery.isVerbose(request.queryItems())
        // The details have errors of servers, in their own words.
        if isVerbose { _ = try await caller(of: request, needing: [.operate]) }
        let readiness = await readiness()
        if let failure = readiness.stateFailure {
            let reason = isVerbose ? failure.description : failure.summary
            throw Problem(.stateDatabaseUnavailable, "The heartbeat failed: \(reason).")
        }
        guard !readiness.isDraining else { throw Problem(.draining, "This replica is stopping.") }
        guard isVerbose else { return Self.health(nil) }
        var checks = [HealthCheck("state-database")]
        checks.append(HealthCheck("quarantine", failure: readiness.quarantineReason))
        checks.append(await operatorCheck())
        for status in await engine.participantStatuses() {
            checks.append(
                HealthCheck(
                    "participant \(status.name)", isOK: status.isAvailable,
                    detail: status.lastError))
            let reported = await engine.reportedTransactions(in: status.name)
            if let oldest = reported.min(by: { $0.preparedAt < $1.preparedAt }) {
                let since = UTCTime(microseconds: oldest.preparedAt).text
                checks.append(
                    HealthCheck(
                        "unresolved \(status.name)",
                        failure: "\(reported.count) prepared transactions there need an operator, "
                            + "the oldest is \(oldest.gid) since \(since): \(oldest.reason). See "
                            + "GET /v1/participants/\(status.name)"))
            }
        }
        return Self.health(checks)
    }

    /// Checks that no transaction needs an operator, at any replica.
    ///
    /// A failure does not make the replica unready: all other transactions go on.
    private func operatorCheck() async -> HealthCheck {
        var failure: String?
        do {
            if let queue = try await engine.operatorQueue() {
                let count =
                    queue.count == 1 ? "1 transaction needs" : "\(queue.count) transactions need"
                failure =
                    "\(count) an operator, the oldest is \(queue.oldest) since "
                    + "\(UTCTime(microseconds: queue.since).text). See GET "
                    + "/v1/transactions?queue=needsOperator, and resolve each branch"
            }
        } catch {
            failure = "cannot read the transactions: \(error.reason)"
        }
        return HealthCheck("needs-operator", failure: failure)
    }

    /// Says that the process is alive, by answering at all.
    func showLiveness(_ request: ServerRequest) throws(Problem) -> ServerResponse {
        let isVerbose = try HealthQuery.isVerbose(request.queryItems())
        return Self.health(isVerbose ? [HealthCheck("event-loop")] : nil)
    }

    /// All metrics, in the one format that every Prometheus reads.
    func showMetrics(
        _ request: ServerRequest, as type: MediaType, for caller: Principal
    ) async throws(Problem) -> ServerResponse {
        try NoQuery.require(request.queryItems())
        var response = ServerResponse(.ok, type, body: await metrics())
        response.headerFields[.contentType] = "text/plain; version=0.0.4; charset=utf-8"
        return response
    }

    private static func health(_ checks: [HealthCheck]?) -> ServerResponse {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("status", "ok")
            guard let checks else { return }
            writer.name("checks")
            writer.array(checks) { check, writer in
                writer.object { writer in
                    writer.member("name", check.name)
                    writer.member("status", check.isOK ? "ok" : "failing")
                    writer.nullable("detail", check.detail)
                }
            }
        }
        return ServerResponse(.ok, .json, body: writer.bytes)
    }
}

/// One line of a verbose health answer.
private struct HealthCheck {
    let name: String
    let isOK: Bool
    let detail: String?

    init(_ name: String, isOK: Bool, detail: String?) {
        self.name = name
        self.isOK = isOK
        self.detail = detail
    }

    init(_ name: String, failure: String? = nil) {
        self.init(name, isOK: failure == nil, detail: failure)
    }
}

extension ParticipantStatus {
    func write(unresolved: [ReportedTransaction], to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", name)
            writer.member(
                "state",
                isAvailable ? "available" : isConnecting ? "connecting" : "unavailable")
            writer.member("poolSize", poolSize)
            writer.member("openConnections", connections)
            writer.member("idleConnections", idle)
            writer.name("preparedSlots")
            if let slots { slots.write(to: &writer) } else { writer.null() }
            writer.nullable("lastError", lastError)
            writer.nullable("systemIdentifier", systemIdentifier)
            writer.nullable("timeline", timeline.map(Int.init))
            writer.nullable("generation", version)
            writer.member("circuitBreaker", circuit.rawValue)
            writer.member("consecutiveFailures", failuresInARow)
            writer.name("hazards")
            if let hazards { hazards.write(to: &writer) } else { writer.null() }
            writer.name("unresolved")
            writer.array(unresolved) { $0.write(to: &$1) }
        }
    }
}

extension SlotUsage {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("limit", limit)
            writer.nullable("share", share)
            writer.member("inUse", inUse)
            writer.member("own", own)
            writer.nullable("others", others)
        }
    }
}

extension HazardSurvey {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.time("readAt", at)
            writer.member("transactionIdsLeft", transactionIDsLeft)
            writer.nullable("secondsToWraparound", secondsToWraparound.map { Int($0) })
            writer.name("found")
            writer.array(hazards) { hazard, writer in
                writer.object { writer in
                    writer.member("kind", hazard.kind.rawValue)
                    writer.member("undoesCommits", hazard.kind.undoesCommits)
                    writer.member("cause", hazard.cause)
                    writer.member("remedy", hazard.remedy)
                }
            }
        }
    }
}

extension ReportedTransaction {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("gid", gid)
            writer.member("reason", reason)
            writer.member("remedy", remedy)
            writer.member("role", owner)
            writer.member("database", database)
            writer.time("preparedAt", preparedAt)
        }
    }
}
