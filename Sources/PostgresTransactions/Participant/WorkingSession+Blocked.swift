import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// A branch that waits for another branch of its own transaction.
extension WorkingSession {
    /// Takes notice of what the work is waiting for; nil if it does not wait.
    ///
    /// A branch that has voted keeps its locks until the decision, which needs the vote of this one: so
    /// the work is cancelled. One that has not may still let them go, as plpgsql does when it catches
    /// an error; then this is remembered, for if the wait is ended by PostgreSQL it says why.
    ///
    /// - Parameter sessions: those of this participant with a branch in them.
    func note(_ wait: LockWait?, among sessions: [Int32: WorkingSession]) {
        // What the server has answered is explained by what was known then.
        guard isWorking, !wasCancelled, !isAnswered,
            let name = gid.flatMap({ BranchName($0) })
        else { return }
        guard !isRefused else {
            // The request was dropped, if the server had several others to answer.
            if wait != nil { requestCancel() }
            return
        }
        blockedByItself = nil
        interactive?.blockedByItself = nil
        guard let wait else { return }
        let siblings = wait.blockers.compactMap { blocker -> Sibling? in
            let session = blocker.processID.flatMap { sessions[$0] }
            guard let gid = blocker.gid ?? session?.gid, let other = BranchName(gid),
                other.transaction == name.transaction, other.branch != name.branch
            else { return nil }
            return Sibling(
                branch: other.branch, statement: session?.statement(running: blocker.query),
                hasVoted: session.map { !$0.isWorking } ?? true)
        }
        let voter = siblings.first(where: \.hasVoted)
        guard let sibling = voter ?? siblings.first else { return }
        let failure = BranchFailure(
            .blockedByItself(branch: sibling.branch, statement: sibling.statement),
            statement: statement(running: wait.query))
        if voter != nil {
            stop(failure)
        } else if siblings.count == wait.blockers.count {
            // Were a stranger among them, it might be the stranger's fault.
            blockedByItself = failure
            interactive?.blockedByItself = failure
        }
    }

    private struct Sibling {
        let branch: Int
        let statement: Int?
        let hasVoted: Bool
    }

    /// Cancels the work; the vote will be no for this reason, unless it was cast meanwhile.
    private func stop(_ failure: BranchFailure) {
        isRefused = true
        blockedByItself = failure
        interactive?.refuse(failure)
        requestCancel()
    }

    private func requestCancel() {
        Task(executorPreference: EventLoop.shared) { await self.connection.requestCancel() }
    }

    /// Which statement of the branch this is; nil if none or several are.
    private func statement(running query: String) -> Int? {
        let running = interactive?.running ?? (first: 0, statements: statements)
        // A long one is cut off by the server.
        let matches = running.statements.indices.filter {
            let sql = running.statements[$0].sql
            return sql == query || query.utf8.count >= 1000 && sql.hasPrefix(query)
        }
        return matches.count == 1 ? matches.first.map { running.first + $0 } : nil
    }

    /// Says why a wait was ended, where that is known.
    func explain(_ report: WorkReport) -> WorkReport {
        guard report.reply == .refused, let failure = report.failure else { return report }
        return WorkReport(
            reply: report.reply, results: report.results,
            failure: failure.explained(by: blockedByItself, wasStopped: isRefused),
            session: report.session)
    }
}

extension BranchFailure {
    /// The same, or why a wait for a lock was ended: by its timeout, as a deadlock, or by a cancel
    /// request.
    ///
    /// - Parameter wasStopped: whether a cancel request was sent for this cause; it may have met a deferred
    ///   constraint or PREPARE as well.
    func explained(by cause: BranchFailure?, wasStopped: Bool = false) -> BranchFailure {
        guard let cause else { return self }
        let isWait = ["55P03", "40P01", "57014"].contains(report?.sqlState)
        guard kind == .statement && isWait || wasStopped && report?.sqlState == "57014" else {
            return self
        }
        return BranchFailure(cause.kind, statement: statement ?? cause.statement)
    }
}
