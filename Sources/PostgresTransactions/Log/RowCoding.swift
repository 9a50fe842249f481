package import CommitProtocol
import PostgresClient
package import TransactionEngine

/// How a `TransactionRecord` lies in `tandem.transactions`.
package enum RowCoding {
    /// A row of the table as `t`; one that tandem would not write makes no record.
    static let record = RowFormat { row -> TransactionRecord? in
        let id = row.transactionID(number: "t.number", salt: "t.salt")
        let principal = row.text("t.principal")
        let keyDigest = row.text("encode(t.key_digest, 'hex')")
        let requestDigest = row.text("encode(t.request_digest, 'hex')")
        let isolation = row.name("t.isolation", as: Isolation.self)
        let labelNames = row.list("t.label_names")
        let labelValues = row.list("t.label_values")
        let traceParent = row.text("t.trace_parent").flatMap { TraceParent($0) }
        let owner = row.text("t.owner")
        let epoch = row.value("t.epoch", as: Int64.self)
        let acceptedAt = row.time("t.accepted_at")
        let deadline = row.time("t.deadline")
        let state = row.name("t.state", as: TransactionState.self)
        let decision = row.name("t.decision", as: Decision.self)
        let decidedAt = row.time("t.decided_at")
        let finishedAt = row.time("t.finished_at")
        let branches = branches(&row)
        let results = row.text("t.results")
        let areResultsOmitted = row.isTrue("t.results_omitted")
        let problem = row.text("t.problem")
        let resolutionCount = row.value("t.resolution_count", as: Int.self)
        let isHeld = row.isTrue(
            """
            t.decision IS NULL
                AND t.number < (SELECT quarantined_below FROM tandem.installation)
            """)
        let journal = row.text("t.journal_server").flatMap(server(of:))
        let isDelegated = row.isTrue("t.delegated")
        let isRollbackRequested = row.isTrue("t.rollback_requested")
        let attempt = row.value("t.attempt", as: Int.self)
        let retryOf = row.text("t.retry_of").flatMap { GlobalTransactionID($0) }
        let retriedAs = row.text("t.retried_as").flatMap { GlobalTransactionID($0) }

        guard let id, let principal, let isolation, let labelNames, let labelValues, let owner,
            let epoch, let acceptedAt, let deadline, let state, let branches
        else { return nil }
        var record = TransactionRecord(
            id: id, principal: principal, idempotency: idempotency(keyDigest, requestDigest),
            isolation: isolation,
            labels: zip(labelNames, labelValues).map {
                TransactionRequest.Label(name: $0 ?? "", value: $1 ?? "")
            },
            owner: owner, epoch: epoch, acceptedAt: acceptedAt, deadline: deadline, state: state,
            branches: branches)
        record.traceParent = traceParent
        record.decision = decision
        record.decidedAt = decidedAt
        record.finishedAt = finishedAt
        record.results = results.map { Array($0.utf8) }
        record.areResultsOmitted = areResultsOmitted
        record.problem = problem.map { Array($0.utf8) }
        record.resolutionCount = resolutionCount ?? 0
        record.isHeld = isHeld
        record.journal = journal
        record.isDelegated = isDelegated
        record.isRollbackRequested = isRollbackRequested
        record.attempt = attempt ?? 1
        record.retryOf = retryOf
        record.retriedAs = retriedAs
        return record
    }

    /// The columns that have one element a branch, or are null where no branch has a value.
    private static func branches(_ row: inout RowReader) -> [BranchRecord]? {
        let participants = row.list("t.participants")
        let gids = row.list("t.gids")
        let versions = row.list("t.participant_versions")
        let commitModes = row.list("t.commit_modes")
        let votes = row.list("t.votes")
        let evidence = row.list("t.evidence")
        let outcomes = row.list("t.outcomes")
        let retries = row.list("t.retries")
        let errors = row.list("t.errors")
        guard let participants, let gids, !gids.isEmpty,
            [participants, votes, evidence, outcomes, retries, errors, commitModes]
                .allSatisfy({ $0 == nil || $0?.count == gids.count })
        else { return nil }
        return gids.indices.map { index in
            let commitMode = commitModes.flatMap { $0[index] }.flatMap(CommitMode.init(rawValue:))
            var branch = BranchRecord(
                participant: participants[index] ?? "", gid: gids[index] ?? "",
                commitMode: commitMode ?? .twoPhase)
            if let versions, versions.indices.contains(index) {
                branch.version = versions[index].flatMap { Int($0) }
            }
            branch.evidence = evidence?[index].flatMap(self.evidence(of:))
            branch.vote = votes.map { $0[index].flatMap(Vote.init(rawValue:)) } ?? branch.usualVote
            branch.outcome = outcomes?[index].flatMap(Outcome.init(rawValue:))
            branch.retries = retries?[index].flatMap { Int($0) } ?? 0
            branch.lastError = errors?[index]
            return branch
        }
    }

    private static func idempotency(
        _ key: String?, _ request: String?
    ) -> TransactionRequest.Idempotency? {
        guard let key, let request else { return nil }
        return TransactionRequest.Idempotency(
            keyDigest: bytes(ofHex: key), requestDigest: bytes(ofHex: request))
    }

    /// `xid systemIdentifier timeline location owner`; the owner comes last, since it may hold
    /// blanks.
    static func write(_ evidence: PreparedEvidence, to bytes: inout [UInt8]) {
        let blank = UInt8(ascii: " ")
        bytes.append(decimal: evidence.transactionID)
        bytes.append(blank)
        bytes.append(contentsOf: evidence.systemIdentifier.utf8)
        bytes.append(blank)
        bytes.append(decimal: evidence.timeline)
        bytes.append(blank)
        bytes.append(contentsOf: evidence.location.utf8)
        bytes.append(blank)
        bytes.append(contentsOf: evidence.owner.utf8)
    }

    static func text(of evidence: PreparedEvidence) -> String {
        var bytes: [UInt8] = []
        write(evidence, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads what `text(of:)` has written; nil for anything else.
    package static func evidence(of text: String) -> PreparedEvidence? {
        let parts = text.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: false)
        guard parts.count == 5, let transactionID = UInt64(parts[0]),
            let timeline = UInt32(parts[2])
        else { return nil }
        return PreparedEvidence(
            transactionID: transactionID, owner: String(parts[4]),
            systemIdentifier: String(parts[1]), timeline: timeline, location: String(parts[3]))
    }

    /// `systemIdentifier timeline`.
    static func text(of server: ServerTimeline) -> String {
        "\(server.systemIdentifier) \(server.timeline)"
    }

    /// Reads what `text(of:)` has written; nil for anything else.
    package static func server(of text: String) -> ServerTimeline? {
        let parts = text.split(separator: " ")
        guard parts.count == 2, let timeline = UInt32(parts[1]) else { return nil }
        return ServerTimeline(systemIdentifier: String(parts[0]), timeline: timeline)
    }

    /// `\x…`, as bytea is written.
    static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = Array("\\x".utf8)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func bytes(ofHex text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while rest.count >= 2 {
            let pair = String(decoding: rest.prefix(2), as: UTF8.self)
            bytes.append(UInt8(pair, radix: 16) ?? 0)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
