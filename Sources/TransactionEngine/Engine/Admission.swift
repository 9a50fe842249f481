import CommitProtocol
import EventLoop

/// Lets requests in: limits, idempotency keys, sessions, and the end of all that when the replica
/// stops.
@LoopActor
final class Admission {
    private let context: EngineContext
    private let driver: TransactionDriver
    private let status: StatusReader
    /// The keys of requests that this replica is running.
    private var runningKeys: [RunningKey: RequestRun] = [:]
    private var admittedCount = 0
    private var isDraining = false
    /// Whether even requests that were let in before begin no transaction any more.
    private var beginsNothing = false

    init(_ context: EngineContext, driver: TransactionDriver, status: StatusReader) {
        self.context = context
        self.driver = driver
        self.status = status
    }

    private struct RunningKey: Hashable {
        let principal: String
        let digest: [UInt8]
    }

    /// What a transaction needs before it begins.
    private struct Reservation {
        let id: GlobalTransactionID
        let sessions: [any BranchSession]
        let branches: [InspectedBranch]
        let start: Int64
        /// The server that keeps the journal; recorded, so that no other server is ever asked.
        let journal: ServerTimeline?

        func release() async {
            for session in sessions { await session.release() }
        }
    }

    /// Runs a transaction to its answer.
    ///
    /// It goes on to its finish whether or not anybody still waits.
    func run(_ request: TransactionRequest) async -> TransactionAnswer {
        if isDraining { return .refused(.draining) }
        let branches: [InspectedBranch]
        do {
            branches = try request.inspected(for: context.participants)
        } catch {
            return .refused(error)
        }
        // Before anything is read for it: this bounds what waits for the log's readers as well.
        guard admittedCount < context.limits.inFlightMax else {
            return .refused(.overloaded(.transactions(limit: context.limits.inFlightMax)))
        }
        admittedCount += 1
        defer { admittedCount -= 1 }
        guard let idempotency = request.idempotency else {
            return await reserveAndRun(request, branches)
        }
        let key = RunningKey(principal: request.principal, digest: idempotency.keyDigest)
        if let running = runningKeys[key] { return refusal(of: idempotency, for: running) }
        do {
            // Before any session is taken: a repeated request costs one read.
            if let earlier = try await context.log.record(
                principal: request.principal, keyDigest: idempotency.keyDigest)
            {
                return await replay(earlier, for: idempotency)
            }
        } catch {
            return .refused(.stateUnavailable(reason: error.reason))
        }
        return await reserveAndRun(request, branches)
    }

    // MARK: Beginning

    private func reserveAndRun(
        _ request: TransactionRequest, _ branches: [InspectedBranch]
    ) async -> TransactionAnswer {
        context.table.admissionBegan()
        let reservation: Result<Reservation, AdmissionFailure>
        do throws(AdmissionFailure) {
            reservation = .success(try await reserve(request, branches))
        } catch {
            reservation = .failure(error)
        }
        // From here until the transaction is in the table nothing suspends, so a drain misses none.
        context.table.admissionEnded()
        defer { context.table.wakeIfIdle() }
        switch reservation {
        case .success(let reservation) where beginsNothing:
            await reservation.release()
            return .refused(.draining)
        case .success(let reservation): return await run(request, reservation)
        case .failure(let failure): return .refused(failure)
        }
    }

    private func reserve(
        _ request: TransactionRequest, _ branches: [InspectedBranch]
    ) async throws(AdmissionFailure) -> Reservation {
        let start = context.clock.milliseconds
        let sessions = try await context.participants.reserve(
            branches.map(\.sessionRequest), within: request.timeout)
        do throws(AdmissionFailure) {
            if request.isCancellable, Task.isCancelled { throw .cancelled }
            let id = try await nextTransactionID()
            var journal: ServerTimeline?
            if let commitPoint = branches.firstIndex(where: { $0.commitMode == .journal }) {
                journal = await sessions[commitPoint].server()
                guard journal != nil else {
                    throw .participantUnavailable(
                        name: branches[commitPoint].participant, reason: "connection lost")
                }
            }
            return Reservation(
                id: id, sessions: sessions, branches: branches, start: start,
                journal: journal)
        } catch {
            for session in sessions { await session.release() }
            throw error
        }
    }

    private func nextTransactionID() async throws(AdmissionFailure) -> GlobalTransactionID {
        do {
            return try await context.log.nextTransactionID()
        } catch {
            throw .stateUnavailable(reason: error.reason)
        }
    }

    private func run(
        _ request: TransactionRequest, _ reservation: Reservation
    ) async -> TransactionAnswer {
        let run = RequestRun(
            request, reservation.branches, id: reservation.id, start: reservation.start)
        var key: RunningKey?
        if let idempotency = request.idempotency {
            let own = RunningKey(principal: request.principal, digest: idempotency.keyDigest)
            if let running = runningKeys[own] {
                let answer = refusal(of: idempotency, for: running)
                await reservation.release()
                return answer
            }
            runningKeys[own] = run
            key = own
        }
        let transaction = run.makeFirst(
            reservation.sessions, journal: reservation.journal, context: context)
        transaction.workOrder = run.workOrder(context.participants)
        let reply = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                run.caller = continuation
                driver.begin(transaction, request.idempotency == nil ? .overlapping : .first)
                // Cancelled before there was anything to cancel.
                if request.isCancellable, Task.isCancelled {
                    driver.requestRollback(of: transaction)
                }
            }
        } onCancel: {
            guard request.isCancellable else { return }
            Task { @LoopActor in
                if let current = run.transaction { driver.requestRollback(of: current) }
            }
        }
        if let key { runningKeys[key] = nil }
        return await answer(reply, request)
    }

    // MARK: Answers

    private func answer(
        _ reply: ActiveTransaction.CallerReply, _ request: TransactionRequest
    ) async -> TransactionAnswer {
        // It may have finished by now, and be forgotten here: then the record of the reply is the
        // answer.
        let known = context.table.record(of: reply.record.id) ?? reply.record
        switch reply.reply {
        case .committing where reply.isAtDecision:
            return .decided(known)
        case .needsOperator:
            // Until it is recorded no other replica can report it.
            guard let recorded = try? await status.recordedView(of: known) else {
                return .outcomeUnknown(known.id)
            }
            return .known(recorded)
        case .committed, .aborted, .committing:
            return .known(known)
        case .outcomeUnknown:
            return .outcomeUnknown(known.id)
        case .neverCommits:
            return .neverCommits
        case .notAccepted:
            return .refused(
                .stateUnavailable(reason: reply.unavailability ?? "no reason is known"))
        case .keyTaken:
            return await answerOfTakenKey(request)
        }
    }

    private func answerOfTakenKey(_ request: TransactionRequest) async -> TransactionAnswer {
        // Without a key, only its id can be taken: by the tombstone of a scan, which found its branches
        // prepared for long and no row. Only this replica could have committed it.
        guard let idempotency = request.idempotency else { return .neverCommits }
        let earlier = try? await context.log.record(
            principal: request.principal, keyDigest: idempotency.keyDigest)
        // No row, or it cannot be read: retention may have removed the key's owner in between, long after its finish, and the same
        // request, sent again, finds the key free.
        guard let earlier = earlier ?? nil else { return .keyInProgress(nil) }
        return await replay(earlier, for: idempotency)
    }

    /// Refuses a request whose key another request is using on this replica.
    ///
    /// Until that one's row is durable its id cannot be looked up, and other replicas do not know it.
    /// So the answer neither names its id nor says that the requests differ: its acceptance may still
    /// fail, and leave the key unused.
    private func refusal(
        of idempotency: TransactionRequest.Idempotency, for running: RequestRun
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
            // An abort is answered with its problem, which mentions a branch's end only if it
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
