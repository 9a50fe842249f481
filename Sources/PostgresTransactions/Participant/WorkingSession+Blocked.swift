import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// Ends branches that wait for another branch of their own transaction.
extension WorkingSession {
    /// Takes notice of the lock that the work waits for; nil if it does not wait.
    ///
    /// A branch that has voted keeps its locks until the decision, which needs this one's vote: so the work
    /// is cancelled. A branch that has not voted may still release its locks, as plpgsql does when it
    /// catches an error: then the blocker is only remembered, and explains the failure if PostgreSQL ends
    /// the wait.
    ///
    /// - Parameter sessions: those of this participant with a branch in them.
    func note(_ wait: LockWait?, among sessions: [Int32: WorkingSession]) {
        // A reply that has arrived is explained by what was known before.
        guard isWorking, !wasCancelled, !isAnswered,
            let name = gid.flatMap({ BranchName($0) })
        else { return }
        guard !isRefused else {
            // The cancel request was dropped if the server still had several others to answer.
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
            // If another transaction's session is among the blockers, it may be the cause.
            blockedByItself = failure
            interactive?.blockedByItself = failure
        }
    }

    private struct Sibling {
        let branch: Int
        let statement: Int?
        let hasVoted: Bool
    }

    /// Cancels the work; the vote is no for this reason, unless it is cast before that.
    private func stop(_ failure: BranchFailure) {
        isRefused = true
        blockedByItself = failure
        interactive?.refuse(failure)
        requestCancel()
    }

    private func requestCancel() {
        Task(executorPreference: participant.loop) { await self.connection.requestCancel() }
    }

    /// The index of the branch's statement with this text; nil if none or several have it.
    private func statement(running query: String) -> Int? {
        let running = interactive?.running ?? (first: 0, statements: statements)
        // The server cuts off a long one.
        let matches = running.statements.indices.filter {
            let sql = running.statements[$0].sql
            return sql == query || query.utf8.count >= 1000 && sql.hasPrefix(query)
        }
        return matches.count == 1 ? matches.first.map { running.first + $0 } : nil
    }

    /// Explains why a wait was ended, if that is known.
    func explain(_ report: WorkReport) -> WorkReport {
        guard report.reply == .refused, let failure = report.failure else { return report }
        return WorkReport(
            reply: report.reply, results: report.results,
            failure: failure.explained(by: blockedByItself, wasStopped: isRefused),
            session: report.session)
    }
}

extension BranchFailure {
    /// The same failure, or why the wait for a lock was ended that it comes from: by its timeout, as a
    /// deadlock, or by a cancel request.
    ///
    /// - Parameter wasStopped: whether a cancel request was sent for this cause; it may have hit a deferred
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
