import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// The end of a transaction that a session holds: the commit point's, or one that only reads.
extension WorkingSession {
    /// Commits the commit point's transaction, once: if the reply is lost, its outcome is asked for later.
    ///
    /// Deferred code has run, and the role is ours again, since the work ended. Cursors that the caller's
    /// SQL holds would run within COMMIT, so they are closed. `synchronous_commit` is set last of all.
    ///
    /// - Parameter completion: called once, on the loop; before this returns if nothing can be sent.
    func commit(
        _ entry: JournalEntry?, then completion: @escaping Completion<LocalCommitReport>
    ) {
        guard connection.isOpen, connection.transactionStatus == .inTransaction else {
            giveBack()
            return completion(LocalCommitReport(.unknown))
        }
        var commands = endsClean ? [] : [WorkPlan.closingCursors]
        if let entry {
            commands.append(Journal.decide(.commit, entry, installation: participant.installation))
        } else {
            commands.append(Self.synchronous)
        }
        commands.append(.commit)
        connection.execute([commands] + cleaning, timeout: .seconds(60)) { [self] outcome in
            let report: LocalCommitReport
            switch outcome {
            case .success(let replies):
                report = Self.localCommit(replies[0])
                isClean = hasCleaned(replies)
            case .failure:
                report = LocalCommitReport(.unknown)
            }
            switch report.reply {
            case .committed: break
            case .rolledBack:
                return rollBack { [self] in
                    giveBack()
                    completion(report)
                }
            case .unknown: connection.close()
            }
            giveBack()
            completion(report)
        }
    }

    private static let synchronous = Command.fixed(
        "SELECT pg_catalog.set_config('synchronous_commit', 'on', true)")
    static let rollback = Command.fixed("ROLLBACK")

    /// Commands after the end, in a transaction of their own, if the session is not clean by then.
    private var cleaning: [[Command]] {
        endsClean ? [] : [WorkPlan.reset + WorkPlan.remains]
    }

    /// Whether the session is clean after an end that was sent with `cleaning`.
    private func hasCleaned(_ replies: [[CommandReply]]) -> Bool {
        WorkPlan.haveCompleted(endsClean ? replies[0] : replies[1])
    }

    private static func localCommit(_ replies: [CommandReply]) -> LocalCommitReport {
        for (index, reply) in replies.enumerated() {
            guard case .failed(let message) = reply else { continue }
            // A backend that is ended inside COMMIT may have committed.
            if message.endsSession { return LocalCommitReport(.unknown) }
            // The commands before COMMIT are our own, and run none of the caller's code.
            let kind =
                index == replies.count - 1 ? BranchFailure.Kind(ofCommit: message) : .commit
            return LocalCommitReport(
                .rolledBack,
                failure: BranchFailure(kind, report: BranchFailure.ServerReport(message)))
        }
        guard case .completed(let commit)? = replies.last else {
            return LocalCommitReport(.unknown)
        }
        switch commit.tag {
        case "COMMIT":
            // A cancelled wait for a standby is a success with a warning: it is committed, and
            // perhaps not yet on the standby.
            return LocalCommitReport(commit.isUnconfirmed ? .unknown : .committed)
        case "ROLLBACK":
            return LocalCommitReport(.rolledBack, failure: BranchFailure(.commit))
        default:
            return LocalCommitReport(.unknown)
        }
    }

    /// Ends the transaction that the session holds.
    ///
    /// A COMMIT that PostgreSQL refuses has ended it as well; a branch that only reads loses nothing by
    /// that.
    ///
    /// - Parameter completion: called once, on the loop; before this returns if nothing can be sent.
    func finish(_ decision: Decision, then completion: @escaping Completion<FinishReport>) {
        guard connection.isOpen, connection.transactionStatus != .active else {
            return completion(finished(nil, error: "its session was lost"))
        }
        let end = decision == .commit ? Command.commit : Self.rollback
        connection.execute([[end]] + cleaning, timeout: .seconds(30)) { [self] outcome in
            switch outcome {
            case .failure(let error):
                completion(finished(nil, error: "\(error)"))
            case .success(let replies):
                let hasEnded = connection.isOpen && !connection.isInTransaction
                completion(finished(hasEnded ? replies : nil, error: "its session was lost"))
            }
        }
    }

    /// Gives the session back after the end of its transaction, or closes it if there are no replies that
    /// show the end: `error` is why.
    private func finished(_ replies: [[CommandReply]]?, error: String) -> FinishReport {
        guard let replies else {
            connection.close()
            giveBack()
            return FinishReport(.tryAgain, error: error)
        }
        isClean = hasCleaned(replies)
        giveBack()
        return FinishReport(.done, error: replies[0][0].error?.message)
    }
}
