import CommitProtocol
public import Logging

/// Runs global transactions: interprets the steps of `Coordinator`, and makes no decision itself.
///
/// It is an actor on the executor it is given, which in production is the event loop's: the ports
/// live there too, so that no call between them changes threads.
public actor TransactionEngine {
    /// The executor that the engine's state is confined to.
    public nonisolated let executor: any SerialExecutor
    let log: any DecisionLog
    let participants: any Participants
    let clock: any EngineClock
    let encoding: OutcomeEncoding
    let limits: EngineLimits
    let signals: any ReplicaSignals
    let logger: Logger

    var transactions: [GlobalTransactionID: ActiveTransaction] = [:]
    /// Ended here a moment ago, until their ends are recorded: status never falls back.
    var recentlyEnded: [GlobalTransactionID: TransactionRecord] = [:]
    /// Keys in use by requests under way here.
    var runningKeys: [RunningKey: RunningRequest] = [:]
    /// Who waits here for the record of an end: of what other replicas drive, or what has ended here.
    var distantWatchers: [GlobalTransactionID: [CheckedContinuation<Void, Never>]] = [:]
    /// Driven here, and waited for elsewhere.
    var watchedElsewhere: Set<GlobalTransactionID> = []
    /// Prepared transactions that the scans leave to an operator, by gid.
    var reported: [String: ReportedTransaction] = [:]
    var isDraining = false
    /// Whether not even those begin any more that had been let in before.
    var beginsNothing = false
    /// Transactions that were let in, and are not driven yet: most of them wait for sessions.
    var beginning = 0
    var idleWaiters: [CheckedContinuation<Void, Never>] = []
    var admitted = 0
    /// Transactions whose callers were told of the commit, and which have not ended.
    var unattended = 0

    struct RunningKey: Hashable {
        let principal: String
        let digest: [UInt8]
    }

    /// The request that uses a key here, and the transaction that it began.
    struct RunningRequest {
        let id: GlobalTransactionID
        let digest: [UInt8]
    }

    /// The executor as the preference of tasks, if it can be one.
    private nonisolated let preference: (any TaskExecutor)?

    /// The engine runs where the loop runs.
    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        executor.asUnownedSerialExecutor()
    }

    /// Makes an engine of its ports.
    public init(
        executor: any SerialExecutor, log: any DecisionLog, participants: any Participants,
        clock: any EngineClock, encoding: OutcomeEncoding, limits: EngineLimits,
        signals: any ReplicaSignals = NoSignals(), logger: Logger
    ) {
        self.executor = executor
        preference = executor as? any TaskExecutor
        self.log = log
        self.participants = participants
        self.clock = clock
        self.encoding = encoding
        self.limits = limits
        self.signals = signals
        self.logger = logger
    }

    /// Starts a task that stays on the engine's executor.
    ///
    /// An unstructured task inherits no preference, and without one every call to a port, which is
    /// isolated to nothing as far as the engine can know, would change threads and change back.
    nonisolated func spawn(
        _ body: @escaping @Sendable (isolated TransactionEngine) async -> Void
    ) {
        Task(executorPreference: preference) { await body(self) }
    }

    /// How many transactions this replica is driving.
    public var inFlight: Int { transactions.count }

    /// Runs a transaction to its answer.
    ///
    /// It goes on to its end whether or not anybody still waits.
    public func run(_ request: TransactionRequest) async -> TransactionAnswer {
        if isDraining { return .refused(.draining) }
        let commitModes: [CommitMode]
        do {
            commitModes = try self.commitModes(of: request)
            try participants.inspect(request.branches, commitModes)
        } catch {
            return .refused(error)
        }
        // Before anything is read for it: what waits for the log's readers is bounded as well.
        guard admitted < limits.inFlightMax else {
            return .refused(.overloaded(.transactions(limit: limits.inFlightMax)))
        }
        admitted += 1
        defer { admitted -= 1 }
        guard let idempotency = request.idempotency else {
            return await begin(request, commitModes)
        }
        let key = RunningKey(principal: request.principal, digest: idempotency.keyDigest)
        if let running = runningKeys[key] { return refusal(of: idempotency, for: running) }
        do {
            // A look before any session is taken: a repeated request costs one read.
            if let earlier = try await log.record(
                principal: request.principal, keyDigest: idempotency.keyDigest)
            {
                return await replay(earlier, for: idempotency)
            }
        } catch {
            return .refused(.stateUnavailable(reason: error.reason))
        }
        return await begin(request, commitModes)
    }

    /// Why a request is refused whose key another one is using on this replica.
    ///
    /// Before the row of that one is durable its id cannot be looked up, and another replica knows
    /// nothing of it. So neither its id is told, nor that the requests differ: its acceptance may
    /// still fail, and leave the key unused.
    private func refusal(
        of idempotency: TransactionRequest.Idempotency, for running: RunningRequest
    ) -> TransactionAnswer {
        guard transactions[running.id]?.machine.isAccepted == true else {
            return .keyInProgress(nil)
        }
        return running.digest == idempotency.requestDigest
            ? .keyInProgress(running.id) : .keyReused(running.id)
    }

    /// The answer to a repeated key: the recorded outcome, if the request is the same.
    ///
    /// A row was read, so the key is not unused, whatever else cannot be read by now.
    func replay(
        _ earlier: TransactionRecord, for idempotency: TransactionRequest.Idempotency
    ) async -> TransactionAnswer {
        do throws(LogUnavailable) {
            guard earlier.idempotency?.requestDigest == idempotency.requestDigest else {
                return try await isDurable(earlier) ? .keyReused(earlier.id) : .keyInProgress(nil)
            }
            let known = latest(try await confirmed(earlier))
            // Undecided for ever, until an operator decides: that is an answer. An abort is one when
            // whoever drives it has said why.
            let isOpen =
                known.finishedAt == nil && known.state != .needsOperator
                && (known.decision == nil || known.decision == .abort && known.problem == nil)
            if isOpen { return .keyInProgress(try await isDurable(known) ? known.id : nil) }
            // An abort's answer is its problem, which speaks of no end but one against the abort.
            let isPlain = known.decision == .abort && !known.needsOperator
            return .replayed(isPlain ? known : try await told(known))
        } catch {
            return .keyInProgress(error.isOutcomeUnknown ? earlier.id : nil)
        }
    }

    /// Whether a row that was read will stay (I5): one that is visible may still be lost with a failover,
    /// as long as no standby has it.
    private func isDurable(_ row: TransactionRecord) async throws(LogUnavailable) -> Bool {
        if row.finishedAt != nil || transactions[row.id]?.machine.isAccepted == true { return true }
        return try await log.confirmedRecord(row.id) != nil
    }

    /// What this replica knows of a transaction beyond its row.
    func current(_ id: GlobalTransactionID) -> TransactionRecord? {
        if let transaction = transactions[id] {
            return transaction.machine.isAccepted ? transaction.view : nil
        }
        return recentlyEnded[id]
    }

    private func begin(
        _ request: TransactionRequest, _ commitModes: [CommitMode]
    ) async -> TransactionAnswer {
        beginning += 1
        let plan: Result<TransactionPlan, AdmissionFailure>
        do throws(AdmissionFailure) {
            plan = .success(try await self.plan(request, commitModes))
        } catch {
            plan = .failure(error)
        }
        // From here to the drive in its table nothing is waited for.
        beginning -= 1
        defer { wakeIfIdle() }
        switch plan {
        case .success(let plan) where beginsNothing:
            for session in plan.sessions { await session.release() }
            return .refused(.draining)
        case .success(let plan): return await transaction(request, plan)
        case .failure(let failure): return .refused(failure)
        }
    }

    /// Takes all that a transaction needs before it can begin.
    private func plan(
        _ request: TransactionRequest, _ commitModes: [CommitMode]
    ) async throws(AdmissionFailure) -> TransactionPlan {
        let start = clock.milliseconds
        let sessions = try await participants.reserve(
            zip(request.branches, commitModes).map {
                SessionRequest(participant: $0.participant, commitMode: $1)
            }, within: request.timeout)
        do throws(AdmissionFailure) {
            if request.isCancellable, Task.isCancelled { throw .cancelled }
            var plan = TransactionPlan(
                id: try await nextTransactionID(), sessions: sessions, commitModes: commitModes,
                start: start)
            if let commitPoint = commitModes.firstIndex(of: .journal) {
                // The accept row names the server, so that no other is ever asked.
                guard let server = await sessions[commitPoint].server() else {
                    throw .participantUnavailable(
                        name: request.branches[commitPoint].participant, reason: "connection lost")
                }
                plan.journal = server
            }
            return plan
        } catch {
            for session in sessions { await session.release() }
            throw error
        }
    }

    private func nextTransactionID() async throws(AdmissionFailure) -> GlobalTransactionID {
        do {
            return try await log.nextTransactionID()
        } catch {
            throw .stateUnavailable(reason: error.reason)
        }
    }

    /// What is settled when a transaction begins.
    struct TransactionPlan {
        let id: GlobalTransactionID
        let sessions: [any BranchSession]
        let commitModes: [CommitMode]
        let start: Int64
        var journal: ServerTimeline?
    }

    private func transaction(
        _ request: TransactionRequest, _ plan: TransactionPlan
    ) async -> TransactionAnswer {
        let (id, sessions) = (plan.id, plan.sessions)
        var key: RunningKey?
        if let idempotency = request.idempotency {
            let mine = RunningKey(principal: request.principal, digest: idempotency.keyDigest)
            if let running = runningKeys[mine] {
                let answer = refusal(of: idempotency, for: running)
                for session in sessions { await session.release() }
                return answer
            }
            runningKeys[mine] = RunningRequest(id: id, digest: idempotency.requestDigest)
            key = mine
        }
        let said = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                transactions[id] = makeActiveTransaction(request, plan, continuation)
                deliver(.begin(request.idempotency == nil ? .overlapping : .first), to: id)
                // Cancelled before there was anything to cancel.
                if request.isCancellable, Task.isCancelled { deliver(.rollbackRequested, to: id) }
            }
        } onCancel: {
            // Once commit was asked of the log the machine does not listen to this any more.
            guard request.isCancellable else { return }
            Task { await self.deliver(.rollbackRequested, to: id) }
        }
        if let key { runningKeys[key] = nil }
        return await answer(said, request)
    }

    private func makeActiveTransaction(
        _ request: TransactionRequest, _ plan: TransactionPlan,
        _ answer: CheckedContinuation<ActiveTransaction.CallerReply, Never>
    ) -> ActiveTransaction {
        let id = plan.id
        let now = clock.wallTime
        let timeout = request.timeout.milliseconds
        let branches = request.branches.enumerated().map { index, branch in
            var record = BranchRecord(
                participant: branch.participant,
                gid: log.preparedName(
                    of: id, branch: index, branchCount: request.branches.count),
                commitMode: plan.commitModes[index])
            record.version = plan.sessions[index].participantVersion
            return record
        }
        let work = zip(request.branches, branches).map { branch, record in
            var order = WorkRequest(
                gid: record.gid, work: branch.work, isolation: request.isolation,
                commitMode: record.commitMode)
            order.onRefusal = branch.onRefusal
            return order
        }
        var record = TransactionRecord(
            id: id, request: request, owner: log.replica, epoch: log.epoch, acceptedAt: now,
            deadline: now + timeout * 1000, branches: branches)
        record.journal = plan.journal
        let transaction = ActiveTransaction(
            machine: Coordinator(transaction: id, commitModes: plan.commitModes),
            record: record, work: work, order: request.order, sessions: plan.sessions,
            reports: Array(repeating: nil, count: branches.count),
            fences: Array(repeating: .none, count: branches.count),
            deadline: plan.start + timeout, answer: answer)
        transaction.prefersDecision = request.repliesAtDecision
        return transaction
    }

    /// How each branch ends: as declared, and the first that writes where a journal is kept decides.
    func commitModes(of request: TransactionRequest) throws(AdmissionFailure) -> [CommitMode] {
        let branches = request.branches
        if request.isOnePhase {
            let writers = branches.count { !$0.isReadOnly }
            guard writers == 1 else { throw .notOnePhase(writers: writers) }
            return branches.map { $0.isReadOnly ? .readOnly : .onePhase }
        }
        let journal = branches.firstIndex {
            !$0.isReadOnly && participants.keepsJournal($0.participant)
        }
        return branches.enumerated().map { index, branch in
            if branch.isReadOnly { return .readOnly }
            return index == journal ? .journal : .twoPhase
        }
    }

    private func answer(
        _ said: ActiveTransaction.CallerReply, _ request: TransactionRequest
    ) async -> TransactionAnswer {
        let record = said.record
        switch said.reply {
        case .committing where said.isAtDecision:
            return .decided(current(record.id) ?? record)
        case .needsOperator:
            // Until it is recorded no other replica can say so.
            guard let known = try? await recorded(current(record.id) ?? record) else {
                return .outcomeUnknown(record.id)
            }
            return .known(known)
        case .committed, .aborted, .committing:
            // By now it may have ended and be forgotten here: what it was when the reply was said
            // is the answer, unless more is known.
            return .known(current(record.id) ?? record)
        case .outcomeUnknown:
            return .outcomeUnknown(record.id)
        case .neverCommits:
            return .neverCommits
        case .notAccepted:
            return .refused(.stateUnavailable(reason: said.unavailability ?? "no reason is known"))
        case .keyTaken:
            // Without a key it was a scan's tombstone that came first: its branches were prepared
            // for long, and no row. Nobody but this coordinator could have committed it.
            guard let idempotency = request.idempotency else { return .neverCommits }
            do {
                if let earlier = try await log.record(
                    principal: request.principal, keyDigest: idempotency.keyDigest)
                {
                    return await replay(earlier, for: idempotency)
                }
            } catch {
                return .keyInProgress(nil)
            }
            // The holder of the key was removed between the two looks, as is done long after its
            // end: the same request, sent again, finds the key free.
            return .keyInProgress(nil)
        }
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
