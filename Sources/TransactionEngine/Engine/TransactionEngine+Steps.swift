import CommitProtocol
import Logging

extension TransactionEngine {
    /// Hands an event to a transaction's machine and does what the step says.
    func deliver(_ event: Event, to id: GlobalTransactionID) {
        guard let transaction = transactions[id] else { return }
        let before = transaction.machine.state
        if transaction.prefersDecision, transaction.answer != nil {
            // Whoever is answered early makes room for another at once; whoever waits does not, and
            // so the work that is taken in slows to what the participants can end.
            transaction.machine.repliesAtDecision = unattended < limits.committingMax
        }
        let step = transaction.machine.handle(
            event, at: clock.milliseconds, deadline: transaction.deadline)
        if step.log == .finish { transaction.record.finishedAt = clock.wallTime }
        if transaction.machine.hasHeuristicOutcome { logHeuristics(of: transaction) }
        if let request = step.log { ask(request, id) }
        for command in step.commands { order(command, id) }
        for timer in step.timers { start(timer, id) }
        if let reply = step.reply { say(reply, to: event, transaction) }
        if transaction.machine.state != before { wakeWatchers(id) }
        if step.isLast { forget(id) }
    }

    private func ask(_ request: LogRequest, _ id: GlobalTransactionID) {
        guard let transaction = transactions[id] else { return }
        switch request {
        case .accept:
            let record = transaction.record
            spawn { engine in
                let answer = await engine.log.accept(record)
                if case .unavailable(let reason) = answer {
                    engine.transactions[id]?.unavailability = reason
                }
                engine.deliver(Self.event(answer), to: id)
            }
        case .decide(let decision):
            prepareOutcome(decision, transaction)
            let record = transaction.view
            spawn { engine in
                let answer = await engine.log.decide(decision, record)
                engine.deliver(engine.event(answer, id), to: id)
            }
        case .tombstone:
            prepareOutcome(.abort, transaction)
            let record = transaction.view
            spawn { engine in
                let answer = await engine.log.tombstone(record)
                engine.deliver(engine.event(answer, id), to: id)
            }
        case .delegate:
            prepareOutcome(.commit, transaction)
            let record = transaction.view
            spawn { engine in
                let answer = await engine.log.delegate(record)
                engine.deliver(engine.answered(delegation: answer, id), to: id)
            }
        case .copy(let decision):
            prepareOutcome(decision, transaction)
            let record = transaction.view
            spawn { engine in
                let answer = await engine.log.copy(decision, record)
                engine.deliver(engine.event(answer, id), to: id)
            }
        case .noteOutcomes:
            noteOutcomes(transaction)
        case .finish, .report:
            record(request, transaction.view)
        }
    }

    /// The lazy records; until they are written, what was reached here is what is shown.
    private func record(_ request: LogRequest, _ record: TransactionRecord) {
        recentlyEnded[record.id] = record
        spawn { engine in
            if request == .report {
                await engine.log.report(record)
            } else {
                await engine.log.finish(record)
            }
            engine.recentlyEnded[record.id] = nil
            engine.releaseDistant(record.id)
            engine.wakeIfIdle()
            if engine.watchedElsewhere.remove(record.id) != nil {
                await engine.signals.send(.ended(record.id))
            }
        }
    }

    private static func event(_ answer: AcceptAnswer) -> Event {
        switch answer {
        case .accepted: .accepted
        case .keyTaken: .acceptRefused
        case .unavailable: .acceptUnavailable
        case .unknown: .acceptUnknown
        }
    }

    private func event(_ answer: DecideAnswer, _ id: GlobalTransactionID) -> Event {
        switch answer {
        case .decided(let decision, let evidence):
            if decision == .abort { rememberForeignAbort(id) }
            return .decided(decision, evidence: evidence)
        case .delegated(let evidence):
            return .delegationFound(evidence: evidence)
        case .missing:
            return .decisionMissing
        case .unknown(let reason):
            logger.warning(
                "the decision's write is unknown and is asked for again",
                metadata: ["transaction": "\(id)", "reason": "\(reason)"])
            return .decisionUnknown
        }
    }

    private func answered(delegation answer: DecideAnswer, _ id: GlobalTransactionID) -> Event {
        if case .delegated = answer { return .delegated }
        return event(answer, id)
    }

    private func order(_ command: BranchCommand, _ id: GlobalTransactionID) {
        guard let transaction = transactions[id] else { return }
        switch command {
        case .work(let branch):
            if transaction.order == .sequential, branch > 0 {
                transactions[id]?.queued.append(branch)
            } else {
                begin(branch, id)
            }
        case .cancel(let branch):
            guard let session = transaction.sessions[branch] else { return }
            if transaction.queued.contains(branch) {
                withdraw(branch, session, id)
            } else {
                spawn { _ in await session.cancel() }
            }
        case .commitPrepared(let branch):
            end(branch, .commit, .none, transaction)
        case .rollbackPrepared(let branch):
            end(branch, .abort, .none, transaction)
        case .fenceAndRollBack(let branch):
            fenceAndRollBack(branch, id)
        case .commitLocally(let branch):
            commitLocally(branch, id)
        case .queryCommitPoint(let branch):
            queryCommitPoint(branch, id)
        case .release(let branch, let decision):
            releaseHeld(branch, decision, id)
        }
    }

    private func begin(_ branch: Int, _ id: GlobalTransactionID) {
        guard let transaction = transactions[id], let session = transaction.sessions[branch] else {
            preconditionFailure("work is ordered of a reserved session")
        }
        let work = transaction.work[branch]
        spawn { engine in engine.worked(await session.work(work), branch, id) }
    }

    /// Answers for a branch whose turn has not come: nothing was sent, and nothing will be.
    private func withdraw(_ branch: Int, _ session: any BranchSession, _ id: GlobalTransactionID) {
        transactions[id]?.queued.removeAll { $0 == branch }
        let report = WorkReport(
            reply: .refused, results: [], failure: BranchFailure(.cancelled), session: nil)
        spawn { engine in
            await session.release()
            engine.worked(report, branch, id)
        }
    }

    private func worked(_ report: WorkReport, _ branch: Int, _ id: GlobalTransactionID) {
        guard let transaction = transactions[id] else { return }
        transaction.reports[branch] = report
        if let failure = report.failure { transaction.work[branch].onRefusal?(failure) }
        switch report.reply {
        case .held, .ready:
            break
        case .lost:
            transactions[id]?.sessions[branch] = nil
            transactions[id]?.fences[branch] = report.session.map { .session($0) } ?? .none
        case .prepared, .preparedAgainstVote, .refused:
            transactions[id]?.sessions[branch] = nil
        }
        deliver(.voted(branch: branch, report.reply), to: id)
        // A no vote or an abort has emptied the queue by now.
        if let next = transactions[id]?.queued.first {
            transactions[id]?.queued.removeFirst()
            begin(next, id)
        }
    }

    func end(_ branch: Int, _ decision: Decision, _ fence: Fence, _ transaction: ActiveTransaction)
    {
        let id = transaction.machine.transaction
        let record = transaction.record.branches[branch]
        // A journal branch's transaction id may have been lost with the log of a server that
        // crashed, and may be another's now; its proof is the journal.
        let evidence =
            record.commitMode == .journal ? nil : transaction.machine.branches[branch].evidence
        let order = FinishRequest(
            participant: record.participant, gid: record.gid, decision: decision,
            evidence: evidence, fence: fence, version: record.version,
            checksOwner: transaction.isAdopted || transaction.machine.branches[branch].retries > 0)
        spawn { engine in
            let report = await engine.participants.end(order)
            engine.ended(report, branch, id)
        }
    }

    func ended(_ report: FinishReport, _ branch: Int, _ id: GlobalTransactionID) {
        if let error = report.error { transactions[id]?.record.branches[branch].lastError = error }
        deliver(.finished(branch: branch, report.reply), to: id)
    }

    private func start(_ request: TimerRequest, _ id: GlobalTransactionID) {
        guard let transaction = transactions[id] else { return }
        let delay: Duration
        switch (request.delayMilliseconds, request.timer) {
        case (nil, .deadline):
            delay = .milliseconds(max(0, transaction.deadline - clock.milliseconds))
        case (nil, _):
            delay = limits.finishWait
        case (let milliseconds?, _):
            // Jitter of up to a quarter keeps many waiting branches from knocking together.
            let jitter = Int64.random(in: 0...(milliseconds / 4))
            delay = .milliseconds(milliseconds - jitter)
        }
        transactions[id]?.timers[request.timer]?.cancel()
        transactions[id]?.timers[request.timer] = clock.schedule(after: delay) { [weak self] in
            Task { await self?.fire(request.timer, id) }
        }
    }

    private func fire(_ timer: Timer, _ id: GlobalTransactionID) {
        // Called off after it had fired, or fired early because its participant is back.
        guard transactions[id]?.timers.removeValue(forKey: timer) != nil else { return }
        deliver(.due(timer), to: id)
    }

    /// A participant that could not be reached answers again: branches that wait for their next
    /// attempt, and registers for their next question, need not wait any longer.
    public func participantAnswers(_ name: String) {
        for (id, transaction) in transactions {
            for (branch, record) in transaction.record.branches.enumerated()
            where record.participant == name {
                fireNow(.finishAgain(branch: branch), id)
                if branch == transaction.machine.commitPoint { fireNow(.queryAgain, id) }
            }
        }
    }

    /// Has a timer that is running fire now.
    private func fireNow(_ timer: Timer, _ id: GlobalTransactionID) {
        transactions[id]?.timers[timer]?.cancel()
        fire(timer, id)
    }

    private func say(_ reply: Reply, to event: Event, _ transaction: ActiveTransaction) {
        guard let answer = transaction.answer else { return }
        transaction.answer = nil
        var isAtDecision = false
        if reply == .committing {
            transaction.isUnattended = true
            unattended += 1
            if case .due = event {
                // The bound on the answer has passed; the decision may be long known.
            } else {
                isAtDecision = true
            }
        }
        answer.resume(
            returning: ActiveTransaction.CallerReply(
                reply: reply, record: transaction.view, unavailability: transaction.unavailability,
                isAtDecision: isAtDecision))
    }

    private func wakeWatchers(_ id: GlobalTransactionID) {
        guard let watchers = transactions[id]?.watchers, !watchers.isEmpty else { return }
        transactions[id]?.watchers = []
        for watcher in watchers { watcher.resume() }
    }

    private func forget(_ id: GlobalTransactionID) {
        guard let transaction = transactions.removeValue(forKey: id) else { return }
        if transaction.isUnattended { unattended -= 1 }
        for timer in transaction.timers.values { timer.cancel() }
        // Sessions that were reserved and never sent any work; those that worked gave themselves
        // back.
        for case let session? in transaction.sessions { spawn { _ in await session.release() } }
        for watcher in transaction.watchers { watcher.resume() }
        wakeIfIdle()
    }
}
