internal import CommitProtocol

/// Something that nobody asked for.
enum Disturbance: Hashable {
    case crash(incarnation: Int)
    /// A lease is taken for expired: another process takes over, whether or not the owner lives.
    case takeOver
    case rollbackRequest(incarnation: Int)
    /// Another replica aborts a row that is past its deadline.
    case deadlineElsewhere
    /// An operator ends a prepared branch by hand.
    case meddle(branch: Int, commits: Bool)
    /// A participant is restored from a backup.
    case restore(branch: Int)
    /// A session that nobody listens to does what it was sent.
    case runReplyLost(branch: Int)
    /// Or it ends.
    case finishReplyLost(branch: Int)
    case echo(incarnation: Int, vote: Int)
    case failOver(losesRow: Bool)
    /// A scan lists what is prepared, or goes on with a list that may be old by now.
    case scanLists, scanActs
    case removeJournalRow
    /// Somebody asks for the status: of a life, or of a replica that does not drive it.
    case ask(incarnation: Int?)
    /// And goes on looking.
    case lookOn

    /// Whether it excuses an abort; to ask does not.
    var isFault: Bool {
        switch self {
        case .ask, .lookOn: false
        case .crash, .takeOver, .rollbackRequest, .deadlineElsewhere, .meddle, .restore,
            .runReplyLost, .finishReplyLost, .echo, .failOver, .scanLists, .scanActs,
            .removeJournalRow:
            true
        }
    }
}

extension Simulation {
    mutating func suffer(_ disturbance: Disturbance, _ outside: Outside) throws(Violation) {
        if outside.isNoted { outside.note("* \(disturbance)") }
        if disturbance.isFault { hasFailed = true }
        switch disturbance {
        case .crash(let incarnation): crash(incarnation, outside)
        case .takeOver: _ = try takeOver(outside)
        case .rollbackRequest(let incarnation):
            try deliver(.rollbackRequested, to: incarnation, outside)
        case .deadlineElsewhere: try passDeadlineElsewhere()
        case .meddle(let branch, let commits): world.meddle(branch, commits: commits)
        case .restore(let branch): world.restore(branch)
        case .runReplyLost(let branch): try runWithLostReply(branch)
        case .finishReplyLost(let branch): world.sites[branch].endSession()
        case .echo(let incarnation, let vote):
            guard let index = index(of: incarnation) else { return }
            try deliver(incarnations[index].votes[vote], to: incarnation, isEcho: true, outside)
        case .failOver(let losesRow): world.failOver(losesRow: losesRow)
        case .scanLists: scan = listed()
        case .scanActs: try actOnScan(outside)
        case .removeJournalRow: world.removeJournalRow()
        case .ask(let incarnation): try ask(incarnation, outside)
        case .lookOn: try lookOn(outside)
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

    /// A process ends; what it had sent arrives late or never.
    private mutating func crash(_ incarnation: Int, _ outside: Outside) {
        guard let index = index(of: incarnation) else { return }
        incarnations.remove(at: index)
        for index in flights.indices.reversed() where flights[index].incarnation == incarnation {
            flights[index].incarnation = nil
            switch flights[index].order {
            case .branch(.work(let branch)):
                flights.remove(at: index)
                guard !world.sites[branch].isFenced || world.broken == .sessionsUnregistered
                else { continue }
                world.sites[branch].session = .workReplyLost
            case .branch(.commitLocally(let branch)):
                flights.remove(at: index)
                if world.sites[branch].session == .holds {
                    world.sites[branch].session = .commitReplyLost
                }
            case .branch(.release):
                flights.remove(at: index)
            case .log, .branch: break
            }
        }
    }

    /// A process claims the row and goes on with it; false where there is nothing to go on with.
    mutating func takeOver(_ outside: Outside) throws(Violation) -> Bool {
        guard let recovered = try world.claim(by: incarnationCount) else { return false }
        let incarnation = incarnationCount
        incarnationCount += 1
        incarnations.append(Incarnation(number: incarnation, machine: machine()))
        try deliver(.adopt(recovered), to: incarnation, outside)
        return true
    }

    func listed() -> [RecoveryPlan.Found] {
        world.sites.indices.filter { world.sites[$0].standing == .prepared }.map { branch in
            let name = PreparedTransactionName(
                installation: Self.installation, transaction: Self.transaction, branch: branch)
            return RecoveryPlan.Found(name: name.description, ageSeconds: 60)
        }
    }

    /// The scan goes on: rows, the second list, and what follows.
    mutating func actOnScan(_ outside: Outside) throws(Violation) {
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
        for action in actions { try follow(action, outside) }
    }

    private mutating func follow(
        _ action: RecoveryPlan.Action, _ outside: Outside
    ) throws(Violation) {
        if outside.isNoted { outside.note("  the scan: \(action)") }
        switch action {
        case .adopt: _ = try takeOver(outside)
        case .end(_, let branch, _, let decision):
            guard decision == .abort else {
                throw Violation("I4: a finished commit left branch \(branch) prepared")
            }
            _ = try world.rollBack(branch, nil, isFenced: true)
        case .tombstone(_, let branch, _):
            if world.broken == .scanWithoutTombstone || world.broken == .scanIgnoresRows {
                _ = try world.rollBack(branch, nil, isFenced: true)
            } else if world.row == nil {
                // Whoever loses this insert finds a row, and the next pass adopts it.
                _ = try world.tombstone()
            }
        case .report: break
        }
    }
}
