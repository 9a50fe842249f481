import CommitProtocol
import PostgresClient
import TransactionEngine

/// The columns of `tandem.transactions`, and where a flush takes their values from.
extension WrittenColumn {
    static let number = integer("number") { $0.record.id.number }
    static let salt = integer("salt") { $0.record.id.signedSalt }
    static let principal = text("principal") { $0.record.principal }
    static let keyDigest = column("key_digest", .bytea) {
        $1.append($0.record.idempotency?.keyDigest)
    }
    static let requestDigest = column("request_digest", .bytea) {
        $1.append($0.record.idempotency?.requestDigest)
    }
    static let isolation = text("isolation") { $0.record.isolation.rawValue }
    static let labelNames = list("label_names", of: { $0.record.labels }) {
        $1.appendText($0.name)
    }
    static let labelValues = list("label_values", of: { $0.record.labels }) {
        $1.appendText($0.value)
    }
    static let traceParent = text("trace_parent") { $0.record.traceParent?.text }
    static let owner = text("owner") { $0.record.owner }
    static let epoch = integer("epoch") { $0.record.epoch }
    static let acceptedAt = time("accepted_at") { $0.record.acceptedAt }
    static let deadline = time("deadline") { $0.record.deadline }
    /// The deadline by the database's own clock.
    static let expiresAt = computed(
        "expires_at", "now() + (x.deadline - x.accepted_at)")

    static let participants = branches("participants") { $1.appendText($0.participant) }
    static let gids = branches("gids") { $1.appendText($0.gid) }
    static let participantVersions = branches("participant_versions", as: "integer[]") {
        $1.appendNumber($0.version)
    }
    /// NULL if every branch is prepared, as is usual.
    static let commitModes = branches("commit_modes", unless: { $0.commitMode == .twoPhase }) {
        $1.appendText($0.commitMode.rawValue)
    }
    static let journalServer = text("journal_server") {
        $0.record.journal.map(RowCoding.text(of:))
    }

    static let attempt = integer("attempt") { Int64($0.record.attempt) }
    static let retryOf = text("retry_of") { $0.record.retryOf.map { "\($0)" } }
    /// The id of the successor that comes with an abort.
    static let retriedAs = text("retried_as", successorIDText)
    /// The same as an element without a column.
    static let successorID = text("id", successorIDText)

    static let decision = text("decision") { ($0.request.decision ?? $0.record.decision)?.rawValue }
    static let decidedAt = time("decided_at") { $0.record.decidedAt ?? $0.record.acceptedAt }
    static let problem = column("problem", .text) { $1.append($0.record.problem) }
    /// NULL if each branch with evidence voted `prepared`, and no other has voted, as is usual.
    static let votes = branches("votes", unless: { $0.vote == $0.usualVote }) {
        $1.appendText($0.vote?.rawValue)
    }
    static let evidence = branches("evidence", unless: { $0.evidence == nil }) {
        guard let evidence = $0.evidence else { return false }
        RowCoding.write(evidence, to: &$1)
        return true
    }
    static let results = column("results", .text) {
        $1.append($0.record.areResultsOmitted ? nil : $0.record.results)
    }
    static let resultsOmitted = column("results_omitted", .boolean) {
        $1.append($0.record.areResultsOmitted)
    }

    static let state = text("state") { $0.record.state.rawValue }
    static let outcomes = branches("outcomes", unless: { $0.outcome == nil }) {
        $1.appendText($0.outcome?.rawValue)
    }
    static let retries = branches("retries", as: "integer[]", unless: { $0.retries == 0 }) {
        $1.appendNumber($0.retries)
    }
    static let errors = branches("errors", unless: { $0.lastError == nil }) {
        $1.appendText($0.lastError)
    }
    static let finishedAt = time("finished_at") { $0.record.finishedAt ?? $0.record.acceptedAt }

    private static func successorIDText(_ write: LogWrite) -> String? {
        write.successor.map { "\($0.id)" }
    }

    /// - Parameters:
    ///   - isUsual: NULL stands for all branches being so.
    ///   - write: Appends the text of a branch's element, or returns false for NULL.
    private static func branches(
        _ name: String, as type: String = "text[]",
        unless isUsual: @escaping @Sendable (BranchRecord) -> Bool = { _ in false },
        _ write: @escaping @Sendable (BranchRecord, inout [UInt8]) -> Bool
    ) -> WrittenColumn {
        list(
            name, as: type,
            of: { logWrite in
                let branches = logWrite.record.branches
                return branches.allSatisfy(isUsual) ? nil : branches
            }, write)
    }
}

extension BranchRecord {
    /// What a branch with this evidence has voted, unless the row says otherwise.
    var usualVote: Vote? { evidence == nil ? nil : .prepared }
}

extension [UInt8] {
    /// Appends a text if there is one.
    fileprivate mutating func appendText(_ text: String?) -> Bool {
        guard let text else { return false }
        append(contentsOf: text.utf8)
        return true
    }

    /// Appends a number if there is one.
    fileprivate mutating func appendNumber(_ number: Int?) -> Bool {
        guard let number else { return false }
        append(decimal: number)
        return true
    }
}
