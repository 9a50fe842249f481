import CommitProtocol
import PostgresClient
import TransactionEngine

/// How a `TransactionRecord` lies in `tandem.transactions`.
enum RowCoding {
    /// The columns of a read, in the order that `record` expects.
    static let columns = """
        t.number, t.salt, t.principal, encode(t.key_digest, 'hex'),
        encode(t.request_digest, 'hex'), t.isolation, t.label_names, t.label_values, t.owner,
        t.epoch, (extract(epoch FROM t.accepted_at) * 1000000)::bigint,
        (extract(epoch FROM t.deadline) * 1000000)::bigint, t.state, t.decision,
        (extract(epoch FROM t.decided_at) * 1000000)::bigint,
        (extract(epoch FROM t.finished_at) * 1000000)::bigint, t.participants, t.gids, t.votes,
        t.evidence, t.outcomes, t.retries, t.errors, t.results, t.results_omitted, t.problem,
        t.versions, t.resolutions, t.decision IS NULL
            AND t.number < (SELECT quarantine_number FROM tandem.installation),
        t.commit_modes, t.journal, t.delegated, t.rollback_requested
        """

    /// Reads a row; nil if it is not one that tandem writes.
    static func record(_ result: CommandResult, _ row: Int) -> TransactionRecord? {
        func text(_ column: Int) -> String? { result.text(row: row, column: column) }
        func list(_ column: Int) -> [String?]? { text(column).flatMap(ArrayLiteral.read) }
        guard let number = text(0).flatMap(Int64.init), let salt = text(1).flatMap(Int64.init),
            let principal = text(2), let isolation = text(5).flatMap(Isolation.init(rawValue:)),
            let labelNames = list(6), let labelValues = list(7), let owner = text(8),
            let epoch = text(9).flatMap(Int64.init),
            let acceptedAt = text(10).flatMap(Timestamp.init),
            let deadline = text(11).flatMap(Timestamp.init),
            let state = text(12).flatMap(TransactionState.init(rawValue:)),
            let branches = branches(list)
        else { return nil }
        var record = TransactionRecord(
            id: GlobalTransactionID(number: number, salt: UInt64(bitPattern: salt)),
            principal: principal, idempotency: idempotency(text(3), text(4)),
            isolation: isolation,
            labels: zip(labelNames, labelValues).map {
                TransactionRequest.Label(name: $0 ?? "", value: $1 ?? "")
            },
            owner: owner, epoch: epoch, acceptedAt: acceptedAt, deadline: deadline, state: state,
            branches: branches)
        record.decision = text(13).flatMap(Decision.init(rawValue:))
        record.decidedAt = text(14).flatMap(Timestamp.init)
        record.finishedAt = text(15).flatMap(Timestamp.init)
        record.results = text(23).map { Array($0.utf8) }
        record.areResultsOmitted = text(24) == "t"
        record.problem = text(25).map { Array($0.utf8) }
        for (index, version) in (list(26) ?? []).enumerated()
        where record.branches.indices.contains(index) {
            record.branches[index].version = version.flatMap { Int($0) }
        }
        record.resolutionCount = text(27).flatMap { Int($0) } ?? 0
        record.isHeld = text(28) == "t"
        record.journal = text(30).flatMap(server(of:))
        record.isDelegated = text(31) == "t"
        record.isRollbackRequested = text(32) == "t"
        return record
    }

    private static func idempotency(
        _ key: String?, _ request: String?
    ) -> TransactionRequest.Idempotency? {
        guard let key, let request else { return nil }
        return TransactionRequest.Idempotency(
            keyDigest: bytes(ofHex: key), requestDigest: bytes(ofHex: request))
    }

    private static func branches(_ list: (Int) -> [String?]?) -> [BranchRecord]? {
        guard let participants = list(16), let gids = list(17), let votes = list(18),
            let evidence = list(19), let outcomes = list(20), let retries = list(21),
            let errors = list(22), !gids.isEmpty, (list(29) ?? gids).count == gids.count,
            [participants.count, votes.count, evidence.count, outcomes.count, retries.count]
                .allSatisfy({ $0 == gids.count }), errors.count == gids.count
        else { return nil }
        let commitModes = list(29)
        return gids.indices.map { index in
            let commitMode = commitModes.flatMap { $0[index] }.flatMap(CommitMode.init(rawValue:))
            var branch = BranchRecord(
                participant: participants[index] ?? "", gid: gids[index] ?? "",
                commitMode: commitMode ?? .twoPhase)
            branch.vote = votes[index].flatMap(Vote.init(rawValue:))
            branch.evidence = evidence[index].flatMap(self.evidence(of:))
            branch.outcome = outcomes[index].flatMap(Outcome.init(rawValue:))
            branch.retries = retries[index].flatMap { Int($0) } ?? 0
            branch.lastError = errors[index]
            return branch
        }
    }

    /// `xid systemIdentifier timeline location owner`; the owner comes last, for it may hold blanks.
    static func text(of evidence: PreparedEvidence) -> String {
        "\(evidence.transactionID) \(evidence.systemIdentifier) \(evidence.timeline) "
            + "\(evidence.location) \(evidence.owner)"
    }

    static func evidence(of text: String) -> PreparedEvidence? {
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

    static func server(of text: String) -> ServerTimeline? {
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
