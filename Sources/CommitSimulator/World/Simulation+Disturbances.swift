internal import CommitProtocol

/// An event from outside: a fault, an intervention, or a status request.
enum Disturbance: Hashable {
    case crash(incarnation: Int)
    /// A lease seems expired: another replica takes over, whether or not the owner is alive.
    case takeOver
    case rollbackRequest(incarnation: Int)
    /// Another replica aborts a row that is past its deadline.
    case deadlineElsewhere
    /// An operator ends a prepared branch by hand.
    case endByHand(branch: Int, commits: Bool)
    /// A participant is restored from a backup.
    case restore(branch: Int)
    /// A session without a client executes what it was sent.
    case runLostSession(branch: Int)
    /// A session ends.
    case endSession(branch: Int)
    case echo(incarnation: Int, vote: Int)
    case failOver(losesRow: Bool)
    /// A scan lists the prepared transactions, or acts on a list that may be outdated.
    case scanLists, scanActs
    case removeJournalRow
    /// A status request to an incarnation, or to a replica that does not own the transaction.
    case readStatus(incarnation: Int?)
    /// The next read of a status request.
    case continueReading

    /// Whether it excuses an abort; a status request does not.
    var isFault: Bool {
        switch self {
        case .readStatus, .continueReading: false
        case .crash, .takeOver, .rollbackRequest, .deadlineElsewhere, .endByHand, .restore,
            .runLostSession, .endSession, .echo, .failOver, .scanLists, .scanActs,
            .removeJournalRow:
            true
        }
    }
}

extension Simulation {
    mutating func apply(_ disturbance: Disturbance, _ context: Context) throws(Violation) {
        if context.isNoted { context.note("* \(disturbance)") }
        if disturbance.isFault { hasFailed = true }
        switch disturbance {
        case .crash(let incarnation): crash(incarnation, context)
        case .takeOver: _ = try takeOver(context)
        case .rollbackRequest(let incarnation):
            try deliver(.rollbackRequested, to: incarnation, context)
        case .deadlineElsewhere: try passDeadlineElsewhere()
        case .endByHand(let branch, let commits): world.endByHand(branch, commits: commits)
        case .restore(let branch): world.restore(branch)
        case .runLostSession(let branch): try runWithLostReply(branch)
        case .endSession(let branch): world.sites[branch].endSession()
        case .echo(let incarnation, let vote):
            guard let index = index(of: incarnation) else { return }
            try deliver(incarnations[index].votes[vote], to: incarnation, isEcho: true, context)
        case .failOver(let losesRow): world.failOver(losesRow: losesRow)
        case .scanLists: scan = listed()
        case .scanActs: try actOnScan(context)
        case .removeJournalRow: world.removeJournalRow()
        case .readStatus(let incarnation): try readStatus(incarnation, context)
        case .continueReading: try continueReading(context)
        }
    }

    private mutating func passDeadlineElsewhere() throws(Violation) {
        guard let row = world.row, row.decision == nil else { return }
        let isRows = !world.hasJournal && !row.isDelegated
        let isMistaken =
            world.broken == .rowDecidesForJournal && world.hasJournal
            || world.broken == .delegationOverruled
        guard isRows || isMistaken else { return }
        if isMistaken, world.hasJournal {
            world.row?.decision = .abort
        } else {
            _ = try world.tombstone()
        }
        try world.replicate()
    }

    mutating func runWithLostReply(_ branch: Int) throws(Violation) {
        switch world.sites[branch].session {
        case .workReplyLost: try world.runWork(branch)
        case .commitReplyLost:
            let evidence = world.sites.indices.map { self.evidence($0) as PreparedEvidence? }
            _ = try world.runLocalCommit(branch, evidence)
        case .none, .holds, .gone: break
        }
    }

    /// Ends an incarnation; its messages arrive late or never.
    private mutating func crash(_ incarnation: Int, _ context: Context) {
        guard let index = index(of: incarnation) else { return }
        incarnations.remove(at: index)
        for index in messages.indices.reversed() where messages[index].incarnation == incarnation {
            messages[index].incarnation = nil
            switch messages[index].content {
            case .branch(.work(let branch)):
                messages.remove(at: index)
                guard !world.sites[branch].isFenced || world.broken == .sessionsUnrecorded
                else { continue }
                world.sites[branch].session = .workReplyLost
            case .branch(.commitLocally(let branch)):
                messages.remove(at: index)
                if world.sites[branch].session == .holds {
                    world.sites[branch].session = .commitReplyLost
                }
            case .branch(.release):
                messages.remove(at: index)
            case .log, .branch: break
            }
        }
    }

    /// Starts an incarnation that adopts the row; false if there is nothing to adopt.
    mutating func takeOver(_ context: Context) throws(Violation) -> Bool {
        guard let recovered = try world.claim(by: incarnationCount) else { return false }
        let incarnation = incarnationCount
        incarnationCount += 1
        incarnations.append(Incarnation(number: incarnation, machine: machine()))
        try deliver(.adopt(recovered), to: incarnation, context)
        return true
    }

    func listed() -> [RecoveryPlan.Found] {
        world.sites.indices.filter { world.sites[$0].standing == .prepared }.map { branch in
            let name = PreparedTransactionName(
                installation: Self.installation, transaction: Self.transaction, branch: branch)
            return RecoveryPlan.Found(name: name.description, ageSeconds: 60)
        }
    }

    /// Continues the scan: reads the rows and the second list, then acts.
    mutating func actOnScan(_ context: Context) throws(Violation) {
        guard let found = scan else { return }
        scan = nil
        let row: RecoveryPlan.Row =
            switch world.row {
            case nil: .missing
            case let row? where row.isReported: .owned
            case let row? where row.isFinished: .finished(row.decision ?? .abort)
            case _? where incarnations.isEmpty: .adoptable
            case _?: .owned
            }
        let isBlind = world.broken == .scanIgnoresRows
        let actions = RecoveryPlan.actions(
            prepared: found, active: { _ in false }, rows: { _ in isBlind ? .missing : row },
            preparedAgain: listed(), installation: Self.installation, graceSeconds: 30,
            lowWaterMark: 1)
        for action in actions { try follow(action, context) }
    }

    private mutating func follow(
        _ action: RecoveryPlan.Action, _ context: Context
    ) throws(Violation) {
        if context.isNoted { context.note("  the scan: \(action)") }
        switch action {
        case .adopt: _ = try takeOver(context)
        case .finish(_, let branch, _, let decision):
            guard decision == .abort else {
                throw Violation("I4: branch \(branch) is still prepared after a finished commit")
            }
            _ = try world.rollBack(branch, nil, isFenced: true)
        case .tombstone(_, let branch, _):
            if world.broken == .scanWithoutTombstone || world.broken == .scanIgnoresRows {
                _ = try world.rollBack(branch, nil, isFenced: true)
            } else if world.row == nil {
                // If the insert finds a row, the next pass adopts it.
                _ = try world.tombstone()
            }
        case .report: break
        }
    }
}
