import CommitProtocol
import FoundationEssentials
import TransactionEngine

/// Why a transaction was aborted, as it is recorded with the decision: a problem (RFC 9457), as the
/// server records it, so that each can show the other's.
struct StoredProblem: Codable {
    var type = "/problems/aborted"
    var title = "The transaction was aborted"
    var status = 409
    var detail: String
    /// The cause by name.
    var cause: String
    /// The participant that voted no.
    var branch: Int?
    /// The participant's failure, without the values that PostgreSQL's words may hold.
    var failure: String?
    var sqlstate: String?

    /// What there is to say when nothing was recorded.
    private static let silent = StoredProblem(
        detail: "it was aborted by another coordinator, or by recovery", cause: "elsewhere")

    private init(detail: String, cause: String) {
        self.detail = detail
        self.cause = cause
    }

    init(_ cause: AbortCause, _ failure: BranchFailure?) {
        switch cause {
        case .refused(let branch):
            let error = failure.map { BranchError($0) }
            self.init(
                detail: "participant \(branch) voted no: \(error?.message ?? "no reason given")",
                cause: "branch")
            self.branch = branch
            self.failure = error?.code.rawValue
            sqlstate = failure?.report?.sqlState
        case .deadlinePassed:
            self.init(detail: "the time to the decision was over", cause: "deadline")
            type = "/problems/deadline-exceeded"
        case .requested:
            self.init(detail: "the task that ran it was cancelled", cause: "cancelled")
            type = "/problems/rolled-back-by-request"
        case .acceptanceUnknown:
            self.init(
                detail: "the state database could not say whether it was accepted",
                cause: "acceptance")
        case .recovered:
            self.init(
                detail: "the coordinator stopped before anything was decided", cause: "recovered")
        case .decidedElsewhere:
            self = Self.silent
        }
    }

    init(_ bytes: [UInt8]?) {
        guard let bytes,
            let stored = try? JSONDecoder().decode(StoredProblem.self, from: Data(bytes))
        else {
            self = Self.silent
            return
        }
        self = stored
    }

    var bytes: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map { Array($0) } ?? Array("null".utf8)
    }

    /// The cause for the caller; what a closure threw, and PostgreSQL's own words, are here in memory
    /// and nowhere else.
    func cause(_ works: [ErasedWork]) -> Aborted.Cause {
        switch cause {
        case "deadline": return .deadline
        case "cancelled":
            return Task.isCancelled
                ? .cancelled : .coordinator("the coordinator is being shut down")
        case "branch":
            guard let branch, works.indices.contains(branch) else { return .coordinator(detail) }
            if let error = works[branch].error() { return .work(participant: branch, error) }
            if let refusal = works[branch].refusal() {
                return .branch(participant: branch, BranchError(refusal))
            }
            let server = sqlstate.map {
                ServerError(sqlState: $0, message: detail, detail: nil, hint: nil, constraint: nil)
            }
            return .branch(
                participant: branch,
                BranchError(
                    failure.flatMap(BranchError.Code.init) ?? .prepareFailed, detail, server: server
                ))
        default: return .coordinator(detail)
        }
    }
}
