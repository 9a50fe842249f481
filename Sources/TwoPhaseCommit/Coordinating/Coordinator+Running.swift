import CommitProtocol
import EventLoop
import TransactionEngine

extension Coordinator {
    /// Runs a transaction over these participants: all of it is committed, or nothing.
    ///
    /// - Parameters:
    ///   - participants: at least one; several may name one database.
    ///   - order: whether the closures run at once or in turn.
    ///   - isolation: of the work in each database.
    ///   - timeout: from now to the decision, at most; nil for the coordinator's own.
    /// - Returns: what the closures returned, in order; nothing, of participants of statements.
    /// - Throws: ``TransactionError``, which says the outcome. Cancelling the task before the
    ///   decision aborts the whole; after it, the run goes on to its answer.
    public func run<Value: Sendable>(
        _ participants: [Participant<Value>], order: Order = .parallel,
        isolation: IsolationLevel = .readCommitted, within timeout: Duration? = nil
    ) async throws(TransactionError) -> Committed<[Value]> {
        let works = participants.map { work($0) }
        // Closures rather than key paths, which generic code would build anew at each run.
        let end = try await run(works.map { $0.erased }, order, isolation, timeout)
        return Committed(
            id: end.id, value: works.map { $0.value }, unconfirmed: end.unconfirmed)
    }

    /// Runs a transaction over participants of different kinds, and answers what each returned as a
    /// tuple.
    ///
    /// Apart from that it is ``run(_:order:isolation:within:)``.
    public func run<First: Sendable, each Other: Sendable>(
        _ first: Participant<First>, _ other: repeat Participant<each Other>,
        order: Order = .parallel, isolation: IsolationLevel = .readCommitted,
        within timeout: Duration? = nil
    ) async throws(TransactionError) -> Committed<(First, repeat each Other)> {
        let firstWork = work(first)
        let otherWorks = (repeat work(each other))
        var works = [firstWork.erased]
        for work in repeat each otherWorks { works.append(work.erased) }
        let end = try await run(works, order, isolation, timeout)
        return Committed(
            id: end.id, value: (firstWork.value, repeat (each otherWorks).value),
            unconfirmed: end.unconfirmed)
    }

    /// What is known of a transaction: how to learn an unknown outcome.
    ///
    /// With a decision log any coordinator can be asked that shares it. Without one only this
    /// coordinator's own, recent transactions are known.
    ///
    /// - Returns: nil if there is no record of it, and it is not under way here. With a decision log
    ///   a transaction whose outcome was unknown has never been committed then.
    /// - Throws: ``CoordinatorError`` if the state database does not answer, or refuses; the sentence says which.
    public func status(
        of id: TransactionID
    ) async throws(CoordinatorError) -> TransactionStatus? {
        guard let known = GlobalTransactionID(id.description) else { return nil }
        let runtime = try await runtime()
        do {
            let record = try await runtime.engine.status(of: known, principal: Runtime.principal)
            return record.map(TransactionStatus.init)
        } catch {
            throw CoordinatorError(.stateDatabase, error.reason)
        }
    }

    private func work<Value>(_ participant: Participant<Value>) -> Work<Value> {
        Work(participant, executorPreference: configuration.executorPreference)
    }

    private func run(
        _ works: [ErasedWork], _ order: Order, _ isolation: IsolationLevel, _ timeout: Duration?
    ) async throws(TransactionError) -> RunEnd {
        let start = ContinuousClock.now
        do throws(TransactionError) {
            let end = try await attempt(works, order, isolation, timeout)
            metrics.committed(in: start.duration(to: .now))
            return end
        } catch {
            metrics.failed(error, in: start.duration(to: .now))
            throw error
        }
    }

    private func attempt(
        _ works: [ErasedWork], _ order: Order, _ isolation: IsolationLevel, _ timeout: Duration?
    ) async throws(TransactionError) -> RunEnd {
        guard !works.isEmpty else {
            throw .refused(.invalid, "a transaction has at least one participant")
        }
        let timeout = (timeout ?? configuration.timeout).bounded
        let start = ContinuousClock.now
        let started: Runtime?
        do {
            started = try await runtime(within: timeout)
        } catch {
            throw .refused(
                error.code == .stateDatabase ? .stateDatabaseUnavailable : .notRunning,
                error.description)
        }
        guard let runtime = started else {
            throw .aborted(Aborted(id: nil, cause: Task.isCancelled ? .cancelled : .deadline))
        }
        let request = TransactionRequest(
            principal: Runtime.principal, idempotency: nil,
            branches: works.map(\.branch), isolation: Isolation(isolation),
            // A first run may have had to start the coordinator.
            timeout: (timeout - start.duration(to: .now)).bounded, labels: [],
            execution: order == .parallel ? .parallel : .inOrder, isCancellable: true)
        // From here on the engine keeps to the loop's thread, and closures run where they prefer to.
        let answer = await withTaskExecutorPreference(EventLoop.shared) {
            await runtime.engine.run(request)
        }
        return try RunEnd(answer, works, isLogless: runtime.isLogless)
    }
}

extension Duration {
    fileprivate var bounded: Duration { min(max(self, .zero), .longest) }
}

extension Isolation {
    init(_ level: IsolationLevel) {
        switch level {
        case .readCommitted: self = .readCommitted
        case .repeatableRead: self = .repeatableRead
        case .serializable: self = .serializable
        }
    }
}

extension TransactionStatus {
    init(_ record: TransactionRecord) {
        if record.needsOperator {
            self = .needsOperator
            return
        }
        switch record.state {
        case .active, .preparing: self = .undecided
        case .committing: self = .committing
        case .committed: self = .committed
        case .aborting, .aborted: self = .aborted
        case .needsOperator: self = .needsOperator
        }
    }
}

extension TransactionError {
    static func refused(
        _ code: Refusal.Code, _ reason: String
    ) -> TransactionError {
        .aborted(Aborted(id: nil, cause: .refused(Refusal(code: code, description: reason))))
    }
}
