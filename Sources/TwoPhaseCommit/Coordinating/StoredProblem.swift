import CommitProtocol
import FoundationEssentials
import TransactionEngine

/// Why a transaction was aborted, as it is recorded with the decision: a problem (RFC 9457) of the
/// server's contract, so that each can show the other's.
///
/// It has none of the values that PostgreSQL's words may hold.
struct StoredProblem: Codable {
    private static let aborted = "/problems/aborted"
    private static let deadlineExceeded = "/problems/deadline-exceeded"
    private static let rolledBackByRequest = "/problems/rolled-back-by-request"

    private let type: String
    private let title: String
    private let status: Int
    private let detail: String
    private let retryable: Bool
    /// The participant that voted no.
    private var branch: Int?
    private var sqlstate: String?

    /// What there is to say when nothing was recorded.
    private static let silent = StoredProblem(
        "it was aborted by another coordinator, or by recovery", isRetryable: true)

    private init(_ detail: String, type: String = Self.aborted, isRetryable: Bool = false) {
        self.type = type
        title = "The transaction was aborted"
        status = 409
        self.detail = detail
        retryable = isRetryable
    }

    init(_ cause: AbortCause, _ failure: BranchFailure?) {
        switch cause {
        case .refused(let branch):
            let reason = failure.map { BranchError($0).message } ?? "no reason given"
            let state = failure?.report?.sqlState
            self.init(
                "participant \(branch) voted no: \(reason)",
                // A conflict with others: serialization, a deadlock, a lock waited for too long.
                isRetryable: ["40001", "40P01", "55P03"].contains(state))
            self.branch = branch
            sqlstate = state
        case .deadlinePassed:
            self.init(
                "the time to the decision was over", type: Self.deadlineExceeded,
                isRetryable: true)
        case .requested:
            self.init(
                "the task that ran it was cancelled, or its coordinator was shut down",
                type: Self.rolledBackByRequest)
        case .acceptanceUnknown:
            self.init(
                "the state database could not say whether it was accepted", isRetryable: true)
        case .recovered:
            self.init("the coordinator stopped before anything was decided", isRetryable: true)
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
        if let branch {
            guard works.indices.contains(branch) else { return .coordinator(detail) }
            if let error = works[branch].error() { return .work(participant: branch, error) }
            if let refusal = works[branch].refusal() {
                return .branch(participant: branch, BranchError(refusal))
            }
            let server = sqlstate.map {
                ServerError(sqlState: $0, message: detail)
            }
            return .branch(
                participant: branch, BranchError(.prepareFailed, detail, server: server))
        }
        switch type {
        case Self.deadlineExceeded: return .deadline
        case Self.rolledBackByRequest:
            return Task.isCancelled
                ? .cancelled
                : .coordinator(
                    "its rollback was asked for, or its coordinator is being shut down")
        default: return .coordinator(detail)
        }
    }
}
