import CommitProtocol
import FoundationEssentials
import TransactionEngine

/// The reason for an abort as recorded with the decision: a problem (RFC 9457) of the server's API.
///
/// So the library and the server can show each other's. It holds no values of the caller, which
/// PostgreSQL's own messages may contain.
struct StoredProblem: Codable {
    private static let aborted = "/problems/aborted"
    private static let deadlineExceeded = "/problems/deadline-exceeded"
    private static let deadlock = "/problems/deadlock"
    private static let rolledBackByRequest = "/problems/rolled-back-by-request"

    private let type: String
    private let title: String
    private let status: Int
    private let detail: String
    private let retryable: Bool
    /// The participant that voted no.
    private var branch: Int?
    private var sqlstate: String?

    /// The problem if none was recorded.
    private static let unrecorded = StoredProblem(
        "another coordinator or recovery aborted it", isRetryable: true)

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
            let isDeadlock = failure?.isDeadlock ?? false
            self.init(
                "participant \(branch) voted no: \(reason)",
                type: isDeadlock ? Self.deadlock : Self.aborted,
                // Conflicts with other transactions; 55P03 is a lock timeout.
                isRetryable: failure?.isTransient ?? false || state == "55P03")
            self.branch = branch
            sqlstate = state
        case .deadlinePassed:
            self.init(
                "the timeout passed before the decision", type: Self.deadlineExceeded,
                isRetryable: true)
        case .requested:
            self.init(
                "its task was cancelled, or its coordinator was shut down",
                type: Self.rolledBackByRequest)
        case .acceptanceUnknown:
            self.init(
                "the state database did not confirm the accept record", isRetryable: true)
        case .recovered:
            self.init("the coordinator stopped before the decision", isRetryable: true)
        case .decidedElsewhere:
            self = Self.unrecorded
        }
    }

    init(_ bytes: [UInt8]?) {
        guard let bytes,
            let stored = try? JSONDecoder().decode(StoredProblem.self, from: Data(bytes))
        else {
            self = Self.unrecorded
            return
        }
        self = stored
    }

    var bytes: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map { Array($0) } ?? Array("null".utf8)
    }

    /// Returns the cause for the caller; closures' errors and PostgreSQL's messages are only in memory.
    func cause(_ works: [ErasedWork]) -> Aborted.Cause {
        if let branch {
            guard works.indices.contains(branch) else { return .coordinator(detail) }
            if let refusal = works[branch].refusal() {
                return refusal.thrownError.map { .work(participant: branch, $0) }
                    ?? .branch(participant: branch, BranchError(refusal.failure))
            }
            let server = sqlstate.map {
                ServerError(BranchFailure.ServerReport(sqlState: $0, message: detail))
            }
            return .branch(
                participant: branch, BranchError(.prepareFailed, detail, server: server))
        }
        switch type {
        case Self.deadlineExceeded: return .deadline
        case Self.rolledBackByRequest:
            return Task.isCancelled
                ? .cancelled
                : .coordinator("its rollback was requested, or its coordinator is shutting down")
        default: return .coordinator(detail)
        }
    }
}
