import AccessControl
import EventLoop
import Logging
import PostgresTransactions
import TransactionMetrics

/// Writes what an auditor has to know: to the log, under the label `tandem.audit`, and what operators did
/// to the table `tandem.audit` as well.
struct AuditLog: AccessAudit {
    /// For what anybody can cause, as often as they like: repetitions are left out.
    private let refusals: Logger
    private let decisions: Logger
    private let metrics: AccessMetrics
    private let table: AuditTable
    private let state: StateDatabase

    init(_ configuration: Configuration, state: StateDatabase, metrics: AccessMetrics) {
        refusals = Logging.makeAudit(configuration, leavesOutRepetitions: true)
        decisions = Logging.makeAudit(configuration, leavesOutRepetitions: false)
        table = AuditTable(state, replica: configuration.replica.name)
        self.state = state
        self.metrics = metrics
    }

    func refused(_ denial: AccessDenial, of request: AuditedRequest) {
        metrics.countRefusal(denial.reason)
        var metadata: Logger.Metadata = [
            "action": "authenticate", "actor": "unknown", "outcome": "\(denial.reason)",
            "subject": "\(request.subject)", "address": "\(request.address)",
        ]
        switch denial {
        // A caller without a token has merely not signed in: that alone is no failed attempt.
        case .tokenMissing: return
        case .tokenMalformed, .tokenUnknown: break
        case .tokenExpired(let principal): metadata["actor"] = "\(principal)"
        case .scopeMissing(let scopes, let principal):
            metadata["action"] = "authorize"
            metadata["actor"] = "\(principal)"
            metadata["reason"] = "needs \(scopes.map(\.rawValue).joined(separator: " or "))"
        case .participantNotAllowed(let name, _, let principal):
            metadata["action"] = "authorize"
            metadata["actor"] = "\(principal)"
            metadata["reason"] = "may not use the participant \(name)"
        }
        refusals.notice(
            denial.isOfUnknownCaller ? "authentication failed" : "access was denied",
            metadata: metadata)
    }

    func acted(_ entry: AuditEntry) async {
        var metadata: Logger.Metadata = [
            "action": "\(entry.action.rawValue)", "actor": "\(entry.actor)",
            "subject": "\(entry.subject)", "address": "\(entry.address)",
            "outcome": "\(entry.outcome)",
        ]
        // An operator writes it, with line feeds perhaps, which would look like other lines.
        if let reason = entry.reason { metadata["reason"] = "\(Terminal.printable(reason))" }
        decisions.notice("an operator acted", metadata: metadata)
        do {
            // Without the state database there is nothing to wait for.
            if let failure = await state.failure { throw failure }
            try await table.add(
                AuditTable.Row(
                    actor: entry.actor, address: entry.address, action: entry.action.rawValue,
                    subject: entry.subject, reason: entry.reason, outcome: entry.outcome))
        } catch {
            metadata["error"] = "\(error)"
            decisions.error(
                "the action is in this log alone, not in tandem.audit", metadata: metadata)
        }
    }

    /// The access file has changed, and is in effect.
    func took(accessFile path: String, tokenCount: Int) {
        metrics.setFileRefused(false)
        decisions.notice(
            "took the access file",
            metadata: [
                "action": "access_file", "subject": "\(path)", "tokens": "\(tokenCount)",
                "outcome": "done",
            ])
    }

    /// The access file has a fault, and the one before it stays in effect.
    func refused(accessFile path: String, _ faults: ConfigurationFaults) {
        metrics.setFileRefused(true)
        decisions.error(
            "the access file has a fault, and the one before it stays in effect",
            metadata: [
                "action": "access_file", "subject": "\(path)", "outcome": "refused",
                "reason": "\(faults.faults.joined(separator: "; "))",
            ])
    }
}
