import CommitProtocol
import PostgresClient
import TransactionEngine

/// The columns of `tandem.transactions`, and where a flush takes their values from.
extension WrittenColumn {
    static let number = integer("number") { $0.record.id.number }
    static let salt = integer("salt") { $0.record.id.signedSalt }
    static let principal = text("principal") { $0.record.principal }
    static let keyDigest = text("key_digest", as: "bytea") {
        $0.record.idempotency.map { RowCoding.hex($0.keyDigest) }
    }
    static let requestDigest = text("request_digest", as: "bytea") {
        $0.record.idempotency.map { RowCoding.hex($0.requestDigest) }
    }
    static let isolation = text("isolation") { $0.record.isolation.rawValue }
    static let labelNames = text("label_names", as: "text[]") {
        ArrayLiteral.write($0.record.labels.map(\.name))
    }
    static let labelValues = text("label_values", as: "text[]") {
        ArrayLiteral.write($0.record.labels.map(\.value))
    }
    static let owner = text("owner") { $0.record.owner }
    static let epoch = integer("epoch") { $0.record.epoch }
    static let acceptedAt = time("accepted_at") { $0.record.acceptedAt }
    static let deadline = time("deadline") { $0.record.deadline }
    /// The deadline by the database's own clock.
    static let expiresAt = computed(
        "expires_at", "now() + (x.deadline - x.accepted_at) * interval '1 microsecond'")

    static let participants = branches("participants") { $0.participant }
    static let gids = branches("gids") { $0.gid }
    static let participantVersions = branches("participant_versions", as: "integer[]") {
        $0.version.map(String.init)
    }
    /// NULL if every branch is prepared, as is usual.
    static let commitModes = text("commit_modes", as: "text[]") { write in
        let modes = write.record.branches.map(\.commitMode)
        guard modes.contains(where: { $0 != .twoPhase }) else { return nil }
        return ArrayLiteral.write(modes.map(\.rawValue))
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

    static let decision = text("decision") { ($0.decision ?? $0.record.decision)?.rawValue }
    static let decidedAt = time("decided_at") { $0.record.decidedAt ?? $0.record.acceptedAt }
    static let problem = text("problem") { $0.record.problem.map(utf8) }
    static let votes = branches("votes") { $0.vote?.rawValue }
    static let evidence = branches("evidence") { $0.evidence.map(RowCoding.text(of:)) }
    static let results = text("results") {
        $0.record.areResultsOmitted ? nil : $0.record.results.map(utf8)
    }
    static let resultsOmitted = text("results_omitted", as: "boolean") {
        $0.record.areResultsOmitted ? "t" : "f"
    }

    static let state = text("state") { $0.record.state.rawValue }
    static let outcomes = branches("outcomes") { $0.outcome?.rawValue }
    static let retries = branches("retries", as: "integer[]") { "\($0.retries)" }
    static let errors = branches("errors") { $0.lastError }
    static let finishedAt = time("finished_at") { $0.record.finishedAt ?? $0.record.acceptedAt }

    private static func successorIDText(_ write: LogWrite) -> String? {
        write.successor.map { "\($0.id)" }
    }

    private static func branches(
        _ name: String, as type: String = "text[]",
        _ element: @escaping @Sendable (BranchRecord) -> String?
    ) -> WrittenColumn {
        text(name, as: type) { ArrayLiteral.write($0.record.branches.map(element)) }
    }

    private static func utf8(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
