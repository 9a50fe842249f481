import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import TransactionEngine

/// Writes accept, decision and finish records: all that gathers while one flush is under way goes
/// into the next, as one transaction with one synchronous commit.
///
/// Nothing that anybody waits for waits when idle. Nobody waits for the record of an end, which goes
/// with the next flush that somebody does wait for, or alone after a short while.
@LoopActor
final class StateWriter {
    private let state: StateDatabase
    private let logger: Logger
    private var gathering: [Order] = []
    private var isFlushing = false
    /// How many of the gathered orders somebody waits for.
    private var urgentCount = 0
    private var lazyTimer: LoopTimer?
    private let batchMax = 512
    /// How long ends wait for company.
    private let lazyDelay: Duration = .milliseconds(10)

    /// Fails if this life is over, and with it the whole flush.
    ///
    /// It takes no lock: a flush that this check lets through a moment before the life ends writes
    /// what any other life might find and has a rule for.
    private static let checkIncarnation = """
        SELECT 1 / count(*) FROM tandem.replicas AS r WHERE name = $1 AND epoch = $2::bigint
            AND \(StateDatabase.isAlive)
        """

    init(state: StateDatabase, logger: Logger) {
        self.state = state
        self.logger = logger
    }

    func accept(_ record: TransactionRecord) async -> AcceptAnswer {
        await withCheckedContinuation { add(.accept(record, $0)) }
    }

    func decide(_ decision: Decision, _ record: TransactionRecord) async -> DecideAnswer {
        await withCheckedContinuation { add(.decide(decision, record, $0)) }
    }

    func tombstone(_ record: TransactionRecord) async -> DecideAnswer {
        await withCheckedContinuation { add(.tombstone(record, $0)) }
    }

    func finish(_ record: TransactionRecord) async {
        let hasCommitPoint = record.branches.contains { $0.commitMode.isCommitPoint }
        await withCheckedContinuation { add(.end(hasCommitPoint ? .settle : .finish, record, $0)) }
    }

    func report(_ record: TransactionRecord) async {
        await withCheckedContinuation { add(.end(.report, record, $0)) }
    }

    func noteOutcomes(_ record: TransactionRecord) async {
        await withCheckedContinuation { add(.end(.outcomes, record, $0)) }
    }

    func delegate(_ record: TransactionRecord) async -> DecideAnswer {
        await withCheckedContinuation { add(.delegate(record, $0)) }
    }

    func copy(_ decision: Decision, _ record: TransactionRecord) async -> DecideAnswer {
        await withCheckedContinuation { add(.copy(decision, record, $0)) }
    }

    private func add(_ order: Order) {
        gathering.append(order)
        if !order.isEnd { urgentCount += 1 }
        start()
    }

    private func start() {
        guard !isFlushing, !gathering.isEmpty else { return }
        guard urgentCount > 0 || gathering.count >= batchMax else { return startLater() }
        isFlushing = true
        // At the end of the turn: what other tasks of this turn have to say goes along.
        EventLoop.shared.atEndOfTurn { [self] in
            Task(executorPreference: EventLoop.shared) { await self.flushAll() }
        }
    }

    private func startLater() {
        guard lazyTimer == nil else { return }
        lazyTimer = EventLoop.shared.schedule(after: lazyDelay) { [weak self] in
            guard let self else { return }
            self.lazyTimer = nil
            guard !self.isFlushing, !self.gathering.isEmpty else { return }
            self.isFlushing = true
            Task(executorPreference: EventLoop.shared) { await self.flushAll() }
        }
    }

    private func flushAll() async {
        repeat {
            let orders = Array(gathering.prefix(batchMax))
            gathering.removeFirst(orders.count)
            urgentCount -= orders.count { !$0.isEnd }
            await write(orders)
        } while urgentCount > 0
        isFlushing = false
        start()
    }

    /// Writes orders in one flush.
    ///
    /// If two of them cannot be written together, as when two scans have found branches of one
    /// transaction without a row, it is refused, and they are written in two halves, and so on: the
    /// others have no part in it.
    ///
    /// One that fails because a statement was prepared before a change is written once more.
    private func write(_ orders: [Order], isFirst: Bool = true) async {
        let flushed = await flush(
            Batch(orders), isDivisible: orders.count > 1, isRepeatable: isFirst)
        switch flushed {
        case .answered: break
        case .outdated: await write(orders, isFirst: false)
        case .refused:
            let middle = orders.count / 2
            await write(Array(orders[..<middle]))
            await write(Array(orders[middle...]))
        }
    }

    private enum Flushed {
        /// Everybody has an answer.
        case answered
        /// Nothing was written: a statement did not fit what it names any more, and is forgotten.
        case outdated
        /// Nothing was written, and nobody has an answer.
        case refused
    }

    private func flush(
        _ batch: Batch, isDivisible: Bool, isRepeatable: Bool
    ) async -> Flushed {
        let connection: PostgresConnection
        do {
            connection = try await state.writerConnection()
        } catch {
            fail(batch, error, wasSent: false)
            return .answered
        }
        let incarnation = [state.replica, "\(state.epoch)"]
        let commands =
            [Command("BEGIN"), Command(Self.checkIncarnation, incarnation)] + batch.statements
            + [Command("COMMIT")]
        do {
            let replies = try await connection.execute([commands], timeout: state.timeout)
            defer { if connection.isInTransaction { state.closeWriter() } }
            if isRepeatable, replies[0].contains(where: \.forgotStatement) { return .outdated }
            if isDivisible, replies[0].contains(where: \.isRefusal) { return .refused }
            settle(batch, replies[0])
        } catch {
            state.closeWriter()
            fail(batch, StateDatabaseError(error), wasSent: true)
        }
        return .answered
    }

    private func settle(_ batch: Batch, _ replies: [CommandReply]) {
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
        batch.answer(results[2...])
    }

    /// `wasSent`: it may have been written all the same.
    private func fail(_ batch: Batch, _ error: StateDatabaseError, wasSent: Bool) {
        // What it refuses it will refuse again, until somebody mends it.
        let level: Logger.Level = if case .refused = error { .error } else { .warning }
        logger.log(
            level: level, "a flush to the state database failed",
            metadata: ["reason": "\(error)", "unknown": "\(wasSent)"])
        let reason = error.sentence
        for (_, reply) in batch.accepts {
            reply.resume(returning: wasSent ? .unknown(reason) : .unavailable(reason))
        }
        // An unwritten decision is as unknown as any: it is asked for again.
        for (_, _, reply) in batch.decides { reply.resume(returning: .unknown(reason)) }
        for (_, reply) in batch.tombstones { reply.resume(returning: .unknown(reason)) }
        for (_, reply) in batch.delegates { reply.resume(returning: .unknown(reason)) }
        for (_, _, reply) in batch.copies { reply.resume(returning: .unknown(reason)) }
        guard !batch.ends.isEmpty else { return }
        // The next life finds again what was not recorded before this one was given up.
        guard !state.isClosed else {
            for (_, _, reply) in batch.ends { reply.resume() }
            return
        }
        // Ends are kept until they are written: nobody else would record them in this life.
        _ = EventLoop.shared.schedule(after: .milliseconds(500)) { [weak self] in
            for (end, record, reply) in batch.ends { self?.add(.end(end, record, reply)) }
        }
    }
}

extension CommandReply {
    /// Whether the server refused the values of a command: for what it holds already, or for each other.
    fileprivate var isRefusal: Bool {
        guard case .failed(let message) = self else { return false }
        // Of class 22 is the check of the life as well, which no half would pass.
        return ["21", "23"].contains(message.state.class)
    }
}
