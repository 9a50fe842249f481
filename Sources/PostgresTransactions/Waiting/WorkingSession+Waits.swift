import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// Ends branches that wait for ever.
extension WorkingSession {
    /// Takes notice of the lock that the work waits for, if it does.
    ///
    /// If a branch of the same transaction blocks it, and has voted, that one keeps its locks until the
    /// decision, which needs this one's vote: so the work is cancelled. A branch that has not voted may
    /// still release its locks, as plpgsql does when it catches an error: then the blocker is only
    /// remembered, and explains the failure if PostgreSQL ends the wait. Waits for each other's locks
    /// are the `DeadlockDetector`'s.
    func note(_ reading: LockReading) {
        // A reply that has arrived is explained by what was known before.
        guard isWorking, !wasCancelled, !isAnswered, let name = gid.flatMap({ BranchName($0) })
        else { return }
        let process = process.flatMap { reading.processes[$0.id] }
        let wait = process?.wait
        guard !isRefused else {
            // The cancel request was dropped if the server still had several others to answer.
            if wait != nil { connection.requestCancel {} }
            return
        }
        endlessWait = nil
        interactive?.endlessWait = nil
        guard let process, let wait else { return }
        let siblings = siblings(of: name, blocking: wait, in: reading)
        let blockerCount = wait.blockers.count + wait.gids.count
        // It is late, and it waits: the waits themselves are short where many queue for a row, since each
        // waiter begins a new one whenever the row is changed.
        if siblings.count < blockerCount {
            countAsContended()
            let waiting = reading.rivals(of: process).compactMap {
                (reading.sessions[$0] as? WorkingSession)?.request
            }
            let prepared = reading.blockers(of: wait).gids.compactMap(participant.slots.request)
            participant.onContention?(request, waiting + prepared)
        }
        let voter = siblings.first(where: \.hasVoted)
        guard let sibling = voter ?? siblings.first else { return }
        let failure = BranchFailure(
            .blockedByItself(branch: sibling.branch, statement: sibling.statement),
            statement: statement(running: process.query))
        if voter != nil {
            stop(failure)
        } else if siblings.count == blockerCount {
            // If another transaction's session is among the blockers, it may be the cause.
            endlessWait = failure
            interactive?.endlessWait = failure
        }
    }

    /// A branch of the same transaction that blocks this one.
    private struct Sibling {
        let branch: Int
        let statement: Int?
        let hasVoted: Bool
    }

    private func siblings(
        of name: BranchName, blocking wait: LockWait, in reading: LockReading
    ) -> [Sibling] {
        func sibling(_ gid: String?) -> BranchName? {
            guard let other = gid.flatMap({ BranchName($0) }),
                other.transaction == name.transaction, other.branch != name.branch
            else { return nil }
            return other
        }
        let prepared = wait.gids.compactMap(sibling).map {
            Sibling(branch: $0.branch, statement: nil, hasVoted: true)
        }
        return prepared
            + wait.blockers.compactMap { id in
                guard let session = reading.sessions[id], let other = sibling(session.gid) else {
                    return nil
                }
                return Sibling(
                    branch: other.branch,
                    statement: session.statement(running: reading.processes[id]?.query ?? ""),
                    hasVoted: !session.isWorking)
            }
    }

    func stop(_ kind: BranchFailure.Kind, running query: String) {
        stop(BranchFailure(kind, statement: statement(running: query)))
    }

    private func stop(_ failure: BranchFailure) {
        isRefused = true
        endlessWait = failure
        interactive?.refuse(failure)
        connection.requestCancel {}
    }

    func statement(running query: String) -> Int? {
        let running =
            interactive?.running ?? (first: 0, statements: statements.map(\.statement))
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
            failure: failure.explained(by: endlessWait, wasStopped: isRefused),
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
        var codes = ["55P03", "57014"]
        // Where PostgreSQL sees the deadlock as well, it describes it best.
        if case .deadlock = cause.kind {} else { codes.append("40P01") }
        let isWait = codes.contains(report?.sqlState ?? "")
        guard kind == .statement && isWait || wasStopped && report?.sqlState == "57014" else {
            return self
        }
        return BranchFailure(cause.kind, statement: statement ?? cause.statement)
    }
}
