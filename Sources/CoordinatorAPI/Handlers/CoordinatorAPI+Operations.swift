import HTTPServer
import HTTPTypes
import TransactionEngine

extension CoordinatorAPI {
    func listParticipants(_ request: ServerRequest) async throws(Problem) -> ServerResponse {
        try NoQuery.decode(Self.queryItems(request))
        var writer = JSONWriter()
        writer.beginObject()
        writer.name("participants")
        writer.beginArray()
        for status in await engine.participantStatuses() {
            Self.write(status, await engine.reportedTransactions(in: status.name), &writer)
        }
        writer.endArray()
        writer.endObject()
        return Self.json(.ok, writer.bytes)
    }

    func showParticipant(_ request: ServerRequest) async throws(Problem) -> ServerResponse {
        try NoQuery.decode(Self.queryItems(request))
        let name = request.parameters["name"]
        guard let status = await engine.participantStatuses().first(where: { $0.name == name })
        else { throw Problem(.notFound, "There is no such participant.") }
        var writer = JSONWriter()
        Self.write(status, await engine.reportedTransactions(in: status.name), &writer)
        return Self.json(.ok, writer.bytes)
    }

    private static func write(
        _ status: ParticipantStatus, _ reported: [ReportedTransaction],
        _ writer: inout JSONWriter
    ) {
        writer.beginObject()
        writer.member("name", status.name)
        writer.member(
            "state",
            status.isAvailable ? "available" : status.isConnecting ? "connecting" : "unavailable")
        writer.member("poolSize", status.poolSize)
        writer.member("connections", status.connections)
        writer.member("idle", status.idle)
        writer.name("preparedSlots")
        write(status.slots, &writer)
        nullable("lastError", status.lastError, &writer)
        nullable("systemIdentifier", status.systemIdentifier, &writer)
        writer.name("timeline")
        if let timeline = status.timeline { writer.integer(timeline) } else { writer.null() }
        writer.name("version")
        if let version = status.version { writer.integer(version) } else { writer.null() }
        writer.member("circuit", status.circuit.rawValue)
        writer.member("failuresInARow", status.failuresInARow)
        writer.name("reported")
        writer.beginArray()
        for entry in reported {
            writer.beginObject()
            writer.member("gid", entry.gid)
            writer.member("reason", entry.reason)
            writer.member("remedy", entry.remedy)
            writer.member("owner", entry.owner)
            writer.member("database", entry.database)
            writer.member("preparedAt", UTCTime(microseconds: entry.preparedAt).text)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
    }

    private static func write(_ slots: SlotUsage?, _ writer: inout JSONWriter) {
        guard let slots else { return writer.null() }
        writer.beginObject()
        writer.member("limit", slots.limit)
        writer.name("share")
        if let share = slots.share { writer.integer(share) } else { writer.null() }
        writer.member("inUse", slots.inUse)
        writer.member("own", slots.own)
        writer.name("others")
        if let others = slots.others { writer.integer(others) } else { writer.null() }
        writer.endObject()
    }

    private static func nullable(
        _ name: StaticString, _ value: String?, _ writer: inout JSONWriter
    ) {
        writer.name(name)
        if let value { writer.string(value) } else { writer.null() }
    }

    /// Ready means that a request could be accepted: participants do not count, for a dead one
    /// concerns only those who use it.
    func showReadiness(_ request: ServerRequest) async throws(Problem) -> ServerResponse {
        let query = try HealthQuery.decode(Self.queryItems(request))
        let readiness = await readiness()
        if let failure = readiness.stateFailure {
            let reason = query.isVerbose ? failure.description : failure.sentence
            throw Problem(.stateDatabaseUnavailable, "The heartbeat failed: \(reason).")
        }
        guard !readiness.isDraining else {
            throw Problem(.draining, "This replica is stopping.")
        }
        guard query.isVerbose else { return Self.json(.ok, #"{"status":"ok"}"#) }
        var checks: [(name: String, isOK: Bool, detail: String?)] = [("state", true, nil)]
        let quarantine = readiness.quarantineReason
        checks.append(("quarantine", quarantine == nil, quarantine))
        checks.append(await operatorCheck())
        for status in await engine.participantStatuses() {
            checks.append(("participant \(status.name)", status.isAvailable, status.lastError))
            let reported = await engine.reportedTransactions(in: status.name)
            if let oldest = reported.min(by: { $0.preparedAt < $1.preparedAt }) {
                checks.append(
                    (
                        "reported \(status.name)", false,
                        "\(reported.count) prepared there and left to an operator, the oldest "
                            + "\(oldest.gid) since \(UTCTime(microseconds: oldest.preparedAt).text): "
                            + "\(oldest.reason). See GET /v1/participants/\(status.name)"
                    ))
            }
        }
        return Self.health(checks)
    }

    /// Whether branches that ended against a decision wait for an operator, at whichever replica.
    ///
    /// It fails without making the replica unready: all other transactions go on.
    private func operatorCheck() async -> (name: String, isOK: Bool, detail: String?) {
        let name = "needs-operator"
        do {
            guard let queue = try await engine.operatorQueue() else { return (name, true, nil) }
            let count =
                queue.count == 1 ? "1 transaction waits" : "\(queue.count) transactions wait"
            return (
                name, false,
                "\(count) for an operator, the oldest \(queue.oldest) since "
                    + "\(UTCTime(microseconds: queue.since).text): see GET "
                    + "/v1/transactions?state=needsOperator, and resolve each branch"
            )
        } catch {
            return (name, false, "it cannot be told: \(error.reason)")
        }
    }

    /// Live means that this answer came.
    func showLiveness(_ request: ServerRequest) throws(Problem) -> ServerResponse {
        let query = try HealthQuery.decode(Self.queryItems(request))
        guard query.isVerbose else { return Self.json(.ok, #"{"status":"ok"}"#) }
        return Self.health([("loop", true, nil)])
    }

    private static func health(
        _ checks: [(name: String, isOK: Bool, detail: String?)]
    ) -> ServerResponse {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("status", "ok")
        writer.name("checks")
        writer.beginArray()
        for check in checks {
            writer.beginObject()
            writer.member("name", check.name)
            writer.member("status", check.isOK ? "ok" : "failing")
            nullable("detail", check.detail, &writer)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return json(.ok, writer.bytes)
    }
}
