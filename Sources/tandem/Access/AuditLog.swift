import AccessControl
import EventLoop
import Logging
import TransactionMetrics

/// Writes what an auditor has to know to the log, under the label `tandem.audit`.
struct AuditLog: AccessAudit {
    /// For what anybody can cause, as often as they like.
    private let refusals: Logger
    private let metrics: AccessMetrics

    init(_ configuration: Configuration, metrics: AccessMetrics) {
        refusals = Logging.makeAudit(configuration, leavesOutRepetitions: true)
        self.metrics = metrics
    }

    func refused(_ denial: AccessDenial, from address: String) {
        metrics.countRefusal(denial.reason)
        // A caller without a token has merely not signed in: that alone is no failed attempt.
        if case .tokenMissing = denial { return }
        var metadata: Logger.Metadata = ["reason": "\(denial.reason)", "address": "\(address)"]
        switch denial {
        case .tokenMissing, .tokenMalformed, .tokenUnknown: break
        case .tokenExpired(let principal): metadata["actor"] = "\(principal)"
        case .scopeMissing(let scopes, let principal):
            metadata["actor"] = "\(principal)"
            metadata["needs"] = "\(scopes.map(\.rawValue).joined(separator: " or "))"
        case .participantNotAllowed(let name, _, let principal):
            metadata["actor"] = "\(principal)"
            metadata["participant"] = "\(name)"
        }
        let what: Logger.Message =
            denial.isOfUnknownCaller ? "authentication failed" : "access was denied"
        refusals.notice(what, metadata: metadata)
    }
}
