import CommitProtocol
import TransactionEngine

/// A transaction as JSON.
enum RecordRendering {
    static func bytes(_ record: TransactionRecord) -> [UInt8] {
        var writer = JSONWriter(capacity: 1024)
        write(record, includingResults: true, &writer)
        return writer.bytes
    }

    /// One line for shells: id, state, the time of acceptance and the participants, by tabs.
    static func line(_ record: TransactionRecord) -> [UInt8] {
        let participants = record.branches.map(\.participant).joined(separator: ",")
        let parts = [
            record.id.description, record.state.rawValue,
            UTCTime(microseconds: record.acceptedAt).text, participants,
        ]
        return Array((parts.joined(separator: "\t") + "\n").utf8)
    }

    static func write(
        _ record: TransactionRecord, includingResults: Bool, _ writer: inout JSONWriter
    ) {
        writer.beginObject()
        writer.member("id", record.id.description)
        writer.member("state", record.state.rawValue)
        nullable("decision", record.decision?.rawValue, &writer)
        writer.member("principal", record.principal)
        writer.member("isolation", record.isolation.rawValue)
        writer.name("labels")
        writer.beginObject()
        for label in record.labels {
            writer.name(escaping: label.name)
            writer.string(label.value)
        }
        writer.endObject()
        writer.member("acceptedAt", UTCTime(microseconds: record.acceptedAt).text)
        writer.member("deadline", UTCTime(microseconds: record.deadline).text)
        nullable("decidedAt", time(record.decidedAt), &writer)
        nullable("finishedAt", time(record.finishedAt), &writer)
        writer.member("owner", record.owner)
        writer.name("problem")
        if let problem = record.problem {
            writer.raw(record.needsOperator ? Problem.withoutClaim(problem) : problem)
        } else {
            writer.null()
        }
        writer.member("resultsOmitted", record.areResultsOmitted)
        writer.member("held", record.isHeld)
        if includingResults { resolutions(record.resolutions, &writer) }
        branches(record, includingResults, &writer)
        writer.endObject()
    }

    private static func branches(
        _ record: TransactionRecord, _ includingResults: Bool, _ writer: inout JSONWriter
    ) {
        let results =
            record.results?.split(
                separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) ?? []
        writer.name("branches")
        writer.beginArray()
        for (index, branch) in record.branches.enumerated() {
            writer.beginObject()
            writer.member("branch", index)
            writer.member("participant", branch.participant)
            writer.member("gid", branch.gid)
            writer.member("commitMode", branch.commitMode.rawValue)
            nullable("vote", branch.vote?.rawValue, &writer)
            nullable("outcome", branch.outcome?.rawValue, &writer)
            // The attempt that ended a prepared branch counts as well.
            let isEnded = branch.outcome != nil && branch.evidence != nil
            writer.member("attempts", branch.retries + (isEnded ? 1 : 0))
            nullable("lastError", branch.lastError, &writer)
            if includingResults {
                evidence(branch.evidence, &writer)
                writer.name("statements")
                // A program's transactions have none.
                if results.indices.contains(index), !results[index].isEmpty {
                    writer.raw(results[index])
                } else {
                    writer.beginArray()
                    writer.endArray()
                }
            }
            writer.endObject()
        }
        writer.endArray()
    }

    private static func resolutions(_ list: [Resolution], _ writer: inout JSONWriter) {
        writer.name("resolutions")
        writer.beginArray()
        for resolution in list {
            writer.beginObject()
            writer.member("branch", resolution.branch)
            writer.member("outcome", resolution.action.rawValue)
            writer.member("actor", resolution.actor)
            writer.member("reason", resolution.reason)
            writer.member("forced", resolution.isForced)
            writer.member("found", resolution.found)
            writer.member("at", UTCTime(microseconds: resolution.at).text)
            writer.endObject()
        }
        writer.endArray()
    }

    private static func evidence(
        _ evidence: PreparedEvidence?, _ writer: inout JSONWriter
    ) {
        writer.name("evidence")
        guard let evidence else { return writer.null() }
        writer.beginObject()
        // A 64-bit number may be more than a caller's JSON can hold.
        writer.member("transactionID", "\(evidence.transactionID)")
        writer.member("owner", evidence.owner)
        writer.member("systemIdentifier", evidence.systemIdentifier)
        writer.member("timeline", Int(evidence.timeline))
        writer.member("location", evidence.location)
        writer.endObject()
    }

    private static func time(_ value: Int64?) -> String? {
        value.map { UTCTime(microseconds: $0).text }
    }

    private static func nullable(
        _ name: StaticString, _ value: String?, _ writer: inout JSONWriter
    ) {
        writer.name(name)
        if let value { writer.string(value) } else { writer.null() }
    }
}
