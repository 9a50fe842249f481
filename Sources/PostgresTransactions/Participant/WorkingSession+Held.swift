import CommitProtocol
import PostgresClient
import TransactionEngine

/// The end of what a session holds: of a branch that only reads, or of the register.
extension WorkingSession {
    /// The server at the other end.
    func server() async -> ServerTimeline? {
        participant.facts(of: connection)?.server
    }

    /// Commits what the register holds, once: if the answer is lost, what became of it is asked.
    ///
    /// What is deferred has run, and the role is ours again, since the work ended. Cursors that the
    /// caller's SQL holds would run within COMMIT, so they are closed. `synchronous_commit` is set last
    /// of all.
    func commit(_ entry: JournalEntry?) async -> LocalCommitReport {
        guard connection.isOpen, connection.transactionStatus == .inTransaction else {
            giveBack()
            return LocalCommitReport(.unknown)
        }
        var commands = endsClean ? [] : [WorkPlan.closingCursors]
        if let entry {
            commands.append(Journal.decide(.commit, entry, installation: participant.installation))
        } else {
            commands.append(Self.synchronous)
        }
        commands.append(Command("COMMIT"))
        let report: LocalCommitReport
        do {
            let replies = try await connection.execute(
                [commands] + cleaning, timeout: .seconds(60))
            report = Self.read(replies[0])
            isClean = hasCleaned(replies)
        } catch {
            report = LocalCommitReport(.unknown)
        }
        switch report.reply {
        case .committed: break
        case .rolledBack: await rollBack()
        case .unknown: connection.close()
        }
        giveBack()
        return report
    }

    private static let synchronous = Command(
        "SELECT pg_catalog.set_config('synchronous_commit', 'on', true)")

    /// What follows the end in a transaction of its own, if it has to.
    private var cleaning: [[Command]] {
        endsClean ? [] : [WorkPlan.reset + WorkPlan.remains]
    }

    /// Whether nothing is left behind an end that was sent with `cleaning`.
    private func hasCleaned(_ replies: [[CommandReply]]) -> Bool {
        WorkPlan.haveCompleted(endsClean ? replies[0] : replies[1])
    }

    private static func read(_ replies: [CommandReply]) -> LocalCommitReport {
        for (index, reply) in replies.enumerated() {
            guard case .failed(let message) = reply else { continue }
            // A backend that is ended inside COMMIT may have committed.
            if message.endsSession { return LocalCommitReport(.unknown) }
            // Before COMMIT come commands of our own, in which nothing of the caller's runs.
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
            // A cut-short wait for a standby is a success with a warning: committed, and perhaps
            // not yet where it has to be.
            return LocalCommitReport(commit.isUnconfirmed ? .unknown : .committed)
        case "ROLLBACK":
            return LocalCommitReport(.rolledBack, failure: BranchFailure(.commit))
        default:
            return LocalCommitReport(.unknown)
        }
    }

    /// Ends what the session holds.
    ///
    /// A COMMIT that PostgreSQL refuses has ended it as well, and keeps nothing of what a branch
    /// that only reads has done.
    func finish(_ decision: Decision) async -> FinishReport {
        guard connection.isOpen, connection.transactionStatus != .active else {
            connection.close()
            giveBack()
            return FinishReport(.tryAgain, error: "its session was lost")
        }
        do {
            let verb = decision == .commit ? "COMMIT" : "ROLLBACK"
            let replies = try await connection.execute(
                [[Command(verb)]] + cleaning, timeout: .seconds(30))
            let hasEnded = connection.isOpen && !connection.isInTransaction
            if !hasEnded { connection.close() }
            isClean = hasCleaned(replies)
            giveBack()
            guard hasEnded else { return FinishReport(.tryAgain, error: "its session was lost") }
            return FinishReport(.done, error: replies[0][0].error?.message)
        } catch {
            connection.close()
            giveBack()
            return FinishReport(.tryAgain, error: "\(error)")
        }
    }
}
