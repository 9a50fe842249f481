import CommitProtocol
import EventLoop

/// Lets requests in, or refuses them: by the limits, by their keys, and because the replica stops.
///
/// It reserves the sessions of those that it lets in, and begins their transactions.
@LoopActor
final class Admission {
    private let context: EngineContext
    private let driver: TransactionDriver
    private let status: StatusReader
    /// The keys of requests that this replica is running.
    private var runningKeys: [ActiveRequest.Key: ActiveRequest] = [:]
    private var admittedCount = 0
    private var isDraining = false
    /// Whether even requests that were let in before begin no transaction any more.
    private var beginsNothing = false

    init(_ context: EngineContext, driver: TransactionDriver, status: StatusReader) {
        self.context = context
        self.driver = driver
        self.status = status
    }

    /// Runs a transaction to its answer.
    ///
    /// Without a cancellation, as over HTTP, it goes on to its finish whether or not anybody still waits.
    func run(
        _ request: TransactionRequest, cancellation: RequestCancellation? = nil,
        then completion: @escaping Completion<TransactionAnswer>
    ) {
        if isDraining { return completion(.refused(.draining)) }
        let branches: [InspectedBranch]
        do {
            branches = try request.inspected(for: context.participants)
        } catch {
            return completion(.refused(error))
        }
        // Before anything is read for it: this bounds what waits for the log's readers as well.
        guard admittedCount < context.limits.inFlightMax else {
            return completion(
                .refused(.overloaded(.transactions(limit: context.limits.inFlightMax))))
        }
        admittedCount += 1
        let active = ActiveRequest(request, branches, start: context.clock.microseconds) { [self] in
            admittedCount -= 1
            completion($0)
        }
        cancellation?.onCancel = { [weak self, weak active] in
            guard let self, let active else { return }
            cancel(active)
        }
        if let idempotency = request.idempotency {
            lookUp(idempotency, for: active)
        } else {
            reserve(for: active)
        }
    }

    /// Asks for a rollback of a request whose caller has gone away.
    private func cancel(_ active: ActiveRequest) {
        if let transaction = active.transaction {
            driver.requestRollback(of: transaction)
        } else {
            active.requestRollback()
            active.giveUpReservation()
        }
    }

    /// Answers a request whose key is known; else it goes on.
    ///
    /// Before any session is taken: a repeated request costs one read.
    private func lookUp(_ idempotency: TransactionRequest.Idempotency, for active: ActiveRequest) {
        if let running = active.key.flatMap({ runningKeys[$0] }) {
            return active.answer(refusal(of: idempotency, for: running))
        }
        context.spawn { [self] in
            do throws(LogUnavailable) {
                let earlier = try await context.log.record(
                    principal: active.request.principal, keyDigest: idempotency.keyDigest)
                guard let earlier else { return reserve(for: active) }
                active.answer(await replay(earlier, for: idempotency))
            } catch {
                active.answer(.refused(.stateUnavailable(reason: error.reason)))
            }
        }
    }

    private func reserve(for active: ActiveRequest) {
        context.table.admissionBegan()
        let giveUp = context.participants.reserve(
            active.sessionRequests, runsAgain: false, within: active.request.timeout
        ) { [self] in
            active.cancelReservation = nil
            switch $0 {
            case .success(let sessions): identify(active, sessions)
            case .failure(let failure): refuse(active, [], failure)
            }
        }
        if let giveUp { active.cancelReservation = giveUp }
        if active.isRollbackRequested { active.giveUpReservation() }
    }

    private func identify(_ active: ActiveRequest, _ sessions: [any BranchSession]) {
        context.log.nextTransactionID { [self] in
            switch $0 {
            case .success(let id): begin(active, id, sessions)
            case .failure(let error):
                refuse(active, sessions, .stateUnavailable(reason: error.reason))
            }
        }
    }

    private func begin(
        _ active: ActiveRequest, _ id: GlobalTransactionID, _ sessions: [any BranchSession]
    ) {
        if active.isRollbackRequested { return refuse(active, sessions, .cancelled) }
        var journal: ServerTimeline?
        if let commitPoint = active.branches.firstIndex(where: { $0.commitMode == .journal }) {
            journal = sessions[commitPoint].server
            guard journal != nil else {
                return refuse(
                    active, sessions,
                    .participantUnavailable(
                        name: active.branches[commitPoint].participant, reason: "connection lost"))
            }
        }
        if beginsNothing { return refuse(active, sessions, .draining) }
        let key = active.key
        // While this one waited for sessions, another request with its key may have begun.
        if let key, let idempotency = active.request.idempotency, let running = runningKeys[key] {
            return end(active, sessions, refusal(of: idempotency, for: running))
        }
        if let key { runningKeys[key] = active }
        let transaction = active.makeFirst(
            id, sessions: sessions, journal: journal, context: context)
        transaction.workOrder = active.workOrder(context.participants)
        active.caller = { [self] reply in
            if let key { runningKeys[key] = nil }
            answer(reply, active)
        }
        // A key must be durable before any work: else a repetition could work beside this request.
        driver.begin(transaction, key == nil ? .overlapping : .first)
        // Only now: a drain looks for what is being admitted, or runs.
        context.table.admissionEnded()
    }

    private func refuse(
        _ active: ActiveRequest, _ sessions: [any BranchSession], _ failure: AdmissionFailure
    ) {
        end(active, sessions, .refused(failure))
    }

    /// Ends the admission of a request that begins no transaction.
    private func end(
        _ active: ActiveRequest, _ sessions: [any BranchSession], _ answer: TransactionAnswer
    ) {
        for session in sessions { session.release() }
        active.answer(answer)
        context.table.admissionEnded()
    }

    // MARK: Answers

    private func answer(_ reply: ActiveTransaction.CallerReply, _ active: ActiveRequest) {
        let known = reply.record
        switch reply.reply {
        case .committing where reply.isAtDecision: active.answer(.decided(known))
        case .committed, .aborted, .committing: active.answer(.known(known))
        case .outcomeUnknown: active.answer(.outcomeUnknown(known.id))
        case .neverCommits: active.answer(.neverCommits)
        case .notAccepted:
            active.answer(
                .refused(
                    .stateUnavailable(reason: reply.unavailability ?? "no reason is known")))
        case .needsOperator:
            context.spawn { [self] in
                // Until it is recorded no other replica can report it.
                let recorded = try? await status.recordedView(of: known)
                active.answer(recorded.map { .known($0) } ?? .outcomeUnknown(known.id))
            }
        case .keyTaken:
            context.spawn { [self] in active.answer(await answerOfTakenKey(active.request)) }
        }
    }

    private func answerOfTakenKey(_ request: TransactionRequest) async -> TransactionAnswer {
        // Without a key, only its id can be taken: its row was so late that a scan, which found its
        // branches prepared and no row, has written a tombstone under the id. So nobody commits it.
        guard let idempotency = request.idempotency else { return .neverCommits }
        let earlier = try? await context.log.record(
            principal: request.principal, keyDigest: idempotency.keyDigest)
        // The row cannot be read, or retention has removed it since, long after its finish. In either
        // case the same request, sent again, learns what is true then.
        guard let earlier = earlier ?? nil else { return .keyInProgress(nil) }
        return await replay(earlier, for: idempotency)
    }

    /// Refuses a request whose key another request is using on this replica.
    ///
    /// Until that one's row is durable its id cannot be looked up, and other replicas do not know it.
    /// So the answer neither names its id nor says that the requests differ: its acceptance may still
    /// fail, and leave the key unused.
    private func refusal(
        of idempotency: TransactionRequest.Idempotency, for running: ActiveRequest
    ) -> TransactionAnswer {
        guard let transaction = running.transaction, !transaction.isOver,
            transaction.isAccepted
        else { return .keyInProgress(nil) }
        return running.request.idempotency?.requestDigest == idempotency.requestDigest
            ? .keyInProgress(transaction.id) : .keyReused(transaction.id)
    }

    /// Answers a repeated key with the recorded outcome, if the request is the same.
    ///
    /// A row was read, so the key is not unused, whatever else cannot be read now.
    private func replay(
        _ earlier: TransactionRecord, for idempotency: TransactionRequest.Idempotency
    ) async -> TransactionAnswer {
        do throws(LogUnavailable) {
            guard earlier.idempotency?.requestDigest == idempotency.requestDigest else {
                return try await isDurable(earlier) ? .keyReused(earlier.id) : .keyInProgress(nil)
            }
            let known = try await status.decidedView(of: earlier)
            if known.retriedAs != nil {
                return try await replayLastRun(of: known, for: idempotency)
            }
            if context.table[known.id]?.awaitsSuccessor == true { return .keyInProgress(nil) }
            if known.isOpen { return .keyInProgress(try await isDurable(known) ? known.id : nil) }
            // An abort is answered with its problem, which mentions a branch's outcome only if it
            // contradicts the abort.
            let isPlainAbort = known.decision == .abort && !known.needsOperator
            return .replayed(isPlainAbort ? known : try await status.view(ofDecided: known))
        } catch {
            return .keyInProgress(error.isOutcomeUnknown ? earlier.id : nil)
        }
    }

    /// Answers with the run that has the key now: the key has moved since the row was read.
    private func replayLastRun(
        of earlier: TransactionRecord, for idempotency: TransactionRequest.Idempotency
    ) async throws(LogUnavailable) -> TransactionAnswer {
        let last = try await context.log.record(
            principal: earlier.principal, keyDigest: idempotency.keyDigest)
        guard let last, last.id != earlier.id else { return .keyInProgress(nil) }
        return await replay(last, for: idempotency)
    }

    /// Whether a row that was read will stay (I5): one that is visible may still be lost with a
    /// failover, as long as no standby has it.
    private func isDurable(_ row: TransactionRecord) async throws(LogUnavailable) -> Bool {
        if row.finishedAt != nil || context.table[row.id]?.isAccepted == true {
            return true
        }
        return try await context.log.confirmedRecord(row.id) != nil
    }

    // MARK: Stopping

    /// Refuses new requests and waits until nothing is under way, at most for `limit`; true if
    /// every transaction has ended.
    ///
    /// The next incarnation of this replica, or another replica, finishes the rest.
    func drain(within limit: Duration) async -> Bool {
        isDraining = true
        await context.table.waitUntilIdle(within: limit)
        return context.table.isEmpty
    }

    /// Rolls back every undecided transaction, begins none that still waits for sessions, then waits
    /// as `drain` does.
    func rollBackAll(within limit: Duration) async -> Bool {
        beginsNothing = true
        for transaction in context.table.all { driver.requestRollback(of: transaction) }
        return await drain(within: limit)
    }
}

extension TransactionRecord {
    /// Whether a repeated key has no answer yet.
    ///
    /// The decision is open, or it is an abort whose problem the owner has not recorded. One that
    /// waits for an operator does have an answer: that it waits.
    fileprivate var isOpen: Bool {
        finishedAt == nil && state != .needsOperator
            && (decision == nil || decision == .abort && problem == nil)
    }
}
