import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import TransactionEngine

/// Writes accept, decision and finish records by group commit: all writes that gather while one
/// flush is under way go into the next, as one transaction with one synchronous commit.
///
/// When no flush is under way, a write that a caller waits for goes out at the end of the loop's
/// turn. Nobody waits for lazy writes: they go with the next such flush, or alone after a short
/// while.
@LoopActor
final class StateWriter {
    private let state: StateDatabase
    private let observer: (any LogObserver)?
    private let logger: Logger
    private var statements = Statements()
    private var gathering: [PendingWrite] = []
    private var isFlushing = false
    /// What the flush under way has still to send, the next one last: halves of a batch that the
    /// server refused, or a batch again.
    private var divided: [Batch] = []
    /// How many of the gathered writes a caller waits for.
    private var urgentCount = 0
    private var lazyTimer: LoopTimer?
    private let batchMax = 512
    /// How long lazy writes wait for others to go with.
    private let lazyDelay: Duration = .milliseconds(10)

    private let checkIncarnation: Command

    /// Fails if this incarnation is over, and with it the whole flush.
    ///
    /// It takes no lock. A flush that passes this check a moment before the incarnation ends writes
    /// only what another incarnation may find and has a rule for.
    private static let checkOfIncarnation = Command.fixed(
        """
        SELECT 1 / count(*) FROM tandem.replicas AS r WHERE name = $1 AND epoch = $2::bigint
            AND \(StateDatabase.isAlive)
        """)

    /// Records that wait for the next flush.
    var waitingCount: Int { gathering.count }

    init(state: StateDatabase, observer: (any LogObserver)?, logger: Logger) {
        self.state = state
        self.observer = observer
        self.logger = logger
        checkIncarnation = Self.checkOfIncarnation.with([state.replica, "\(state.epoch)"])
    }

    /// Writes one record with the next flush; the completion is called when it is durable, or when
    /// that is unknown.
    ///
    /// The completion may come back with further writes. The flush is still under way then, so they only
    /// add to what gathers.
    func perform(_ write: LogWrite, then completion: @escaping Completion<LogAnswer>) {
        add(PendingWrite(write, then: completion))
    }

    private func add(_ write: PendingWrite) {
        gathering.append(write)
        if !write.isLazy { urgentCount += 1 }
        start()
    }

    private func start() {
        guard !isFlushing, !gathering.isEmpty else { return }
        guard urgentCount > 0 || gathering.count >= batchMax else { return startLater() }
        isFlushing = true
        // At the end of the turn, so that whatever else this turn writes goes along.
        state.loop.atEndOfTurn { [self] in flush() }
    }

    private func startLater() {
        guard lazyTimer == nil else { return }
        lazyTimer = state.loop.schedule(after: lazyDelay) { [weak self] in
            guard let self else { return }
            self.lazyTimer = nil
            guard !self.isFlushing, !self.gathering.isEmpty else { return }
            self.isFlushing = true
            self.flush()
        }
    }

    private func flush() {
        let writes = gathering.prefix(batchMax)
        let batch = Batch(writes)
        gathering.removeFirst(writes.count)
        urgentCount -= writes.count { !$0.isLazy }
        send(batch)
    }

    /// Goes on when a batch is answered or divided.
    private func continueFlush() {
        if let batch = divided.popLast() { return send(batch) }
        isFlushing = false
        start()
    }

    /// Sends a batch, at once if the writing session is open, as it is unless it was lost.
    private func send(_ batch: Batch) {
        if let connection = state.openWriter { return send(batch, on: connection) }
        state.loop.spawn { await self.sendOnNewConnection(batch) }
    }

    private func sendOnNewConnection(_ batch: Batch) async {
        do {
            send(batch, on: try await state.writerConnection())
        } catch {
            observer?.flushed(recordCount: batch.writes.count, in: .zero, isWritten: false)
            fail(batch, error, wasSent: false)
            continueFlush()
        }
    }

    private func send(_ batch: Batch, on connection: PostgresConnection) {
        let (kinds, writing) = statements.commands(for: batch)
        var commands: [Command] = [.begin, checkIncarnation]
        commands += writing
        commands.append(.commit)
        let start = state.loop.now
        connection.execute([commands], timeout: state.timeout) { [self] outcome in
            report(outcome, of: batch, since: start)
            take(outcome, of: batch, kinds, on: connection)
            continueFlush()
        }
    }

    private func report(
        _ outcome: Result<[[CommandReply]], PostgresError>, of batch: Batch,
        since start: ContinuousClock.Instant
    ) {
        guard let observer else { return }
        var isWritten = false
        if case .success(let replies) = outcome, case .completed(let commit)? = replies[0].last {
            isWritten = commit.tag == "COMMIT" && !commit.isUnconfirmed
        }
        observer.flushed(
            recordCount: batch.writes.count, in: start.duration(to: state.loop.now),
            isWritten: isWritten)
    }

    /// Answers every write of the batch, or has it sent again.
    ///
    /// If the server refuses the batch because two of its writes cannot be written together, as when
    /// two scans have found branches of one transaction without a row, it is written in two halves,
    /// and so on, so that no other write fails with them.
    ///
    /// If a statement was prepared before a change of the schema, the batch is sent again, once: the
    /// connection has forgotten the statement.
    private func take(
        _ outcome: Result<[[CommandReply]], PostgresError>, of batch: Batch,
        _ kinds: [FlushStatement.Kind], on connection: PostgresConnection
    ) {
        switch outcome {
        case .failure(let error):
            state.closeWriter()
            fail(batch, StateDatabaseError(error), wasSent: true)
        case .success(let replies):
            // The rest of a flush that failed was skipped, its COMMIT as well.
            if connection.isInTransaction { state.closeWriter() }
            if !batch.isRepeated, replies[0].contains(where: \.forgotStatement) {
                var again = batch
                again.isRepeated = true
                divided.append(again)
            } else if batch.writes.count > 1, replies[0].contains(where: \.isRefusal) {
                let (first, second) = batch.halves()
                divided += [second, first]
            } else {
                settle(batch, kinds, replies[0])
            }
        }
    }

    private func settle(
        _ batch: Batch, _ kinds: [FlushStatement.Kind], _ replies: [CommandReply]
    ) {
        var results: [CommandResult] = []
        for reply in replies {
            switch reply {
            case .completed(let result): results.append(result)
            case .failed(let message)
            where results.count == 1 && message.state == .divisionByZero:
                state.superseded()
                return fail(batch, .superseded(replica: state.replica), wasSent: false)
            case .failed(let message):
                return fail(batch, .refused(message), wasSent: false)
            case .exceeded, .skipped:
                return fail(batch, .unusable(reason: "it skipped a command"), wasSent: false)
            }
        }
        guard results.count >= 3, let commit = results.last, commit.tag == "COMMIT" else {
            return fail(batch, .unusable(reason: "it did not commit"), wasSent: false)
        }
        // A cancelled wait for a synchronous standby is a success with a warning: the rows are
        // there, but nothing says that they survive.
        guard !commit.isUnconfirmed else {
            return fail(batch, .unconfirmed, wasSent: true)
        }
        batch.answer(results[2...], of: kinds)
    }

    /// Answers the writes of a failed flush; if it was sent, it may have been written nevertheless.
    private func fail(_ batch: Batch, _ error: StateDatabaseError, wasSent: Bool) {
        // The server will refuse the same again until an operator acts.
        let level: Logger.Level = if case .refused = error { .error } else { .warning }
        logger.log(
            level: level, "could not write to the state database",
            metadata: ["reason": "\(error)", "mayBeWritten": "\(wasSent)"])
        let reason = error.sentence
        // When this incarnation is being given up, the next one finds again what is not recorded.
        let kept = state.isClosed ? [] : batch.writes.filter(\.isLazy)
        for pending in batch.writes where state.isClosed || !pending.isLazy {
            // A decision that was not written is as unknown as any: the engine asks for it again.
            let isAccept = pending.write.request == .accept
            let answer: LogAnswer =
                isAccept && !wasSent ? .notWritten(reason: reason) : .unknown(reason: reason)
            pending.complete(answer)
        }
        guard !kept.isEmpty else { return }
        // Lazy writes are kept until they are written: no other replica records them while this one
        // is alive.
        _ = state.loop.schedule(after: .milliseconds(500)) { [weak self] in
            for pending in kept { self?.add(pending) }
        }
    }
}

extension CommandReply {
    /// Whether the server refused the values of a command, for what it holds already or for each
    /// other.
    fileprivate var isRefusal: Bool {
        guard case .failed(let message) = self else { return false }
        // Not class 22: the check of the incarnation fails with it, and no half would pass that.
        return ["21", "23"].contains(message.state.class)
    }
}
