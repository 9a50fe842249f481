import EventLoop
import PostgresClient
import StatementGate
import TransactionEngine

/// The open transaction of a branch while the caller's own code works in it.
///
/// Calls run one after the other, in the order in which they came, even if the code makes several at
/// once: a statement sent after a BEGIN that then fails would commit by itself. The statements of the
/// first call go with BEGIN in one segment, in which nothing runs after a failure.
@LoopActor
final class InteractiveBranch: OpenBranch {
    /// How the caller's code ended.
    enum WorkCompletion: Sendable {
        case returned
        case threw
        /// It did not end within its time after it was cancelled.
        case abandoned
    }

    private let connection: PostgresConnection
    private let limits: ResultLimits
    private let request: WorkRequest
    /// The settings that are made in the session before BEGIN.
    private let adjustments: [Command]
    /// The reply to BEGIN, once it was sent with the first statement.
    private(set) var begun: CommandReply?
    /// Whether the branch may have altered something that a prepared statement names.
    ///
    /// Later statements are then prepared anew, since a call that failed could not be repeated.
    private var hasAltered = false
    /// The last segment that was sent before the branch.
    private let before: UInt64
    /// A call that failed and could not be repeated, since other calls had run before it.
    private var failedCall: (commands: [Command], replies: [CommandReply])?
    /// The first failure: the vote will be no, whether or not the code catches it.
    private var failure: BranchFailure?
    private var isOver = false
    /// Why the branch waits for a lock, if that explains why PostgreSQL ends the wait.
    var endlessWait: BranchFailure?
    private var statementCount = 0
    /// The statements of the last call, and the index of the first of them in the branch.
    private(set) var running: (first: Int, statements: [Statement]) = (0, [])
    /// Whether a call runs, or was just resumed.
    private var isBusy = false
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var task: Task<Void, Never>?
    private var completion: CheckedContinuation<WorkCompletion, Never>?

    init(
        _ connection: PostgresConnection, limits: ResultLimits, request: WorkRequest,
        adjustments: [Command] = []
    ) {
        self.connection = connection
        self.limits = limits
        self.request = request
        self.adjustments = adjustments
        before = connection.lastSegment
    }

    /// Runs the caller's code to its end, or until it is abandoned; after that every call fails with
    /// `isOver`.
    func run(_ work: InteractiveWork) async -> WorkCompletion {
        let completion = await withCheckedContinuation { continuation in
            self.completion = continuation
            // A task of its own, and off the loop unless the caller asks for the loop, so that code which
            // computes, blocks or never returns delays nothing else.
            task = Task(executorPreference: work.executorPreference) { await self.perform(work) }
            // It may have been cancelled before its task was there.
            if failure != nil { task?.cancel() }
        }
        isOver = true
        return completion
    }

    /// Runs on the executor of the caller's code, and hops to the loop only at its end.
    private nonisolated func perform(_ work: InteractiveWork) async {
        do {
            try await work.body(self)
            await end(.returned)
        } catch {
            await end(.threw)
        }
    }

    /// Cancels the caller's code, and lets it send nothing more.
    func cancel() {
        failure = failure ?? BranchFailure(.cancelled)
        task?.cancel()
    }

    /// Makes the vote no for this reason, unless there is one already; the caller's code gets the reason
    /// from its calls.
    func refuse(_ reason: BranchFailure) { failure = failure ?? reason }

    /// Goes on without the caller's code, which was cancelled and does not end.
    func abandon() { end(.abandoned) }

    private func end(_ how: WorkCompletion) {
        completion?.resume(returning: how)
        completion = nil
    }

    /// Why the branch votes no, if it does; nil if it is to be prepared.
    func refusal(after completion: WorkCompletion) -> BranchFailure? {
        if let failure { return failure }
        switch completion {
        case .threw: return BranchFailure(.workThrew)
        case .abandoned: return BranchFailure(.cancelled)
        case .returned:
            if isBusy { return BranchFailure(.workUnfinished) }
            guard begun == nil || connection.transactionStatus == .inTransaction else {
                return BranchFailure(.prepare)
            }
            return nil
        }
    }

    func execute(_ new: [Statement]) async throws(OpenBranchError) -> [StatementResult] {
        // The call that ends resumes the next one, so that no new call runs before that one.
        if isBusy {
            await withCheckedContinuation { turn in
                guard isBusy else {
                    isBusy = true
                    return turn.resume()
                }
                waiting.append(turn)
            }
        } else {
            isBusy = true
        }
        defer {
            if waiting.isEmpty { isBusy = false } else { waiting.removeFirst().resume() }
        }
        guard !isOver else { throw .isOver }
        // After the first failure PostgreSQL would only report that the transaction is aborted.
        if let failure { throw .failed(failure) }
        if new.isEmpty { return [] }
        let first = statementCount
        statementCount += new.count
        running = (first, new)
        var returnsRows = false
        for (offset, statement) in new.enumerated() {
            let inspected = try inspect(statement, number: first + offset)
            returnsRows = returnsRows || inspected.returnsRows
        }
        let replies: ArraySlice<CommandReply>
        do throws(PostgresError) {
            replies = try await send(
                new.map { Command($0.sql, $0.parameters) }, returnsRows ? limits : nil)
        } catch {
            // Any of several statements may have been the one.
            throw fail(Self.failure(error, statement: new.count == 1 ? first : nil))
        }
        var results: [StatementResult] = []
        for (offset, (reply, statement)) in zip(replies, new).enumerated() {
            results.append(try result(of: statement, number: first + offset, reply))
        }
        return results
    }

    /// Inspects a statement of the caller's code; one that the branch cannot run makes it vote no.
    private func inspect(
        _ statement: Statement, number: Int
    ) throws(OpenBranchError) -> InspectedStatement {
        do throws(StatementRefusal) {
            return try InspectedStatement(inspecting: statement, for: request.commitMode)
        } catch {
            refuse(BranchFailure(.unacceptableSQL(reason: error.message), statement: number))
            throw .refused(statement: number, reason: error.message)
        }
    }

    /// Sends a call; the first one with BEGIN.
    private func send(
        _ commands: [Command], _ limits: ResultLimits?
    ) async throws(PostgresError) -> ArraySlice<CommandReply> {
        if begun != nil {
            guard connection.transactionStatus == .inTransaction else { throw .closed }
            let commands = hasAltered ? commands.map(\.preparedAnew) : commands
            let replies = try await connection.execute([commands], limits: limits)[0]
            noteAlterations(replies)
            if replies.contains(where: { $0.error != nil }) { failedCall = (commands, replies) }
            return replies[...]
        }
        let opening = [WorkPlan.begin(request.isolation, request.commitMode)] + commands
        let setup = adjustments.isEmpty ? [] : [adjustments]
        var replies = try await connection.execute(setup + [opening], limits: limits)[setup.count]
        if await shouldRepeat(opening, replies) {
            connection.forgetStatements(commands)
            // Later statements may be as outdated, and could not be repeated.
            hasAltered = true
            replies = try await connection.execute(
                setup + [opening.map(\.preparedAnew)], limits: limits)[setup.count]
        }
        begun = replies[0]
        if case .failed(let message) = replies[0] { throw .server(message) }
        noteAlterations(replies.dropFirst())
        return replies.dropFirst()
    }

    /// Notes whether a command may have altered a table, a type or a setting: any that neither reads nor
    /// changes rows.
    private func noteAlterations(_ replies: some Sequence<CommandReply>) {
        for case .completed(let result) in replies where result.affectedRows == nil {
            hasAltered = true
        }
    }

    /// Whether the first call failed because of statements that had been prepared before.
    ///
    /// The failed call is rolled back, and nothing else of the branch has run.
    private func shouldRepeat(
        _ opening: [Command], _ replies: [CommandReply]
    ) async -> Bool {
        guard replies.contains(where: { $0.error != nil }) else { return false }
        if connection.isInTransaction {
            _ = try? await connection.execute([[Command("ROLLBACK", cached: false)]])
        }
        guard connection.transactionStatus == .idle,
            await connection.isOutdated(opening, replies, before: before)
        else { return false }
        // The branch may have been cancelled in the meantime.
        return failure == nil && !isOver && connection.transactionStatus == .idle
    }

    /// Whether a call that could not be repeated failed because of statements that had been prepared
    /// before; asked after the branch is rolled back.
    func metOutdatedStatement() async -> Bool {
        guard let failedCall, connection.transactionStatus == .idle else { return false }
        return await connection.isOutdated(
            failedCall.commands, failedCall.replies, before: before)
    }

    private func result(
        of statement: Statement, number: Int, _ reply: CommandReply
    ) throws(OpenBranchError) -> StatementResult {
        switch reply {
        case .completed(let result) where result.isTruncated:
            throw fail(BranchFailure(.resultTooLarge, statement: number))
        case .completed(let result):
            let actual = result.affectedRows ?? result.rowCount
            if let expected = statement.expectedRows, !expected.contains(actual) {
                throw fail(
                    BranchFailure(
                        .rowsUnexpected(expected: expected, actual: actual), statement: number))
            }
            return StatementResult(result)
        case .failed(let message):
            throw fail(
                BranchFailure(
                    .statement, statement: number,
                    report: BranchFailure.ServerReport(message)))
        case .exceeded:
            throw fail(BranchFailure(.resultTooLarge, statement: number))
        case .skipped:
            throw fail(BranchFailure(.statement, statement: number))
        }
    }

    private func fail(_ new: BranchFailure) -> OpenBranchError {
        // If a cancel made the statement fail, the cancel is the first failure.
        let first = failure ?? new.explained(by: endlessWait)
        failure = first
        return .failed(first)
    }

    private static func failure(_ error: PostgresError, statement number: Int?) -> BranchFailure {
        switch error {
        case .server(let message):
            BranchFailure(
                .statement, statement: number, report: BranchFailure.ServerReport(message))
        case .invalidConninfo, .unreachable, .refused, .connectionLost, .timedOut, .poolExhausted,
            .closed:
            BranchFailure(.connectionLost, statement: number)
        }
    }
}
