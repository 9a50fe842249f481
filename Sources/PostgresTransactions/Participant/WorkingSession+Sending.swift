import EventLoop
import PostgresClient
import TransactionEngine

/// How the commands of a branch that are known beforehand are sent.
extension WorkingSession {
    /// Sends a whole branch without lists.
    func send(
        _ plan: WorkPlan,
        then completion: @escaping Completion<Result<[CommandReply], PostgresError>>
    ) {
        let segments = adjustments.isEmpty ? [plan.commands] : [adjustments, plan.commands]
        connection.execute(segments, limits: limits(of: plan, after: adjustments.count)) {
            switch $0 {
            case .success(let replies): completion(.success(replies[segments.count - 1]))
            case .failure(let error): completion(.failure(error))
            }
        }
    }

    /// Sends a whole branch with lists, and sends it again if need be.
    func replies(to plan: WorkPlan) async throws(PostgresError) -> [CommandReply] {
        // Cancelled before this task ran: there was nothing to cancel yet.
        guard !wasCancelled else {
            let cancelled = ServerMessage(
                state: .queryCanceled, message: "the branch was cancelled before it began")
            return plan.ended(by: cancelled, at: 0, after: [])
        }
        let before = connection.lastSegment
        return try await repliesIfOutdated(to: plan, sendLists(plan), before: before)
    }

    /// The replies to a branch; sends it again if it failed because of a statement that had been prepared
    /// before.
    ///
    /// The second time every statement is prepared anew, so that a second failure is the caller's own.
    /// Nothing of the first time is left: it is rolled back before.
    func repliesIfOutdated(
        to plan: WorkPlan, _ replies: [CommandReply], before segment: UInt64
    ) async throws(PostgresError) -> [CommandReply] {
        guard replies.contains(where: { $0.error != nil }) else { return replies }
        isAnswered = true
        await rollBack()
        guard connection.isOpen, !connection.isInTransaction, !isRefused,
            await connection.isOutdated(plan.commands, replies, before: segment),
            connection.isOpen, !wasCancelled
        else { return replies }
        isAnswered = false
        connection.forgetStatements(plan.commands[plan.script.limited])
        isClean = false
        let again = plan.preparedAnew
        guard again.lists.isEmpty else { return try await sendLists(again) }
        return try await withCheckedContinuation { outcome in
            send(again) { outcome.resume(returning: $0) }
        }.get()
    }

    /// The limits for the caller's rows.
    var limits: ResultLimits {
        ResultLimits(
            rows: participant.options.resultRowsMax, bytes: participant.options.resultBytesMax)
    }

    /// The same, if the branch may return rows and so many commands are sent before the plan's.
    private func limits(of plan: WorkPlan, after count: Int) -> ResultLimits? {
        guard plan.script.returnsRows else { return nil }
        let first = plan.script.limited.lowerBound + count
        var limits = limits
        limits.commands = first..<(first + plan.script.limited.count)
        return limits
    }

    /// Sends a branch with lists, whose text depends on the types that the server gives the parameters.
    ///
    /// For a statement that the session has prepared, the types are known. Otherwise one more round trip
    /// asks for them, after the statements before it have run: they may create what it names.
    private func sendLists(_ plan: WorkPlan) async throws(PostgresError) -> [CommandReply] {
        if !adjustments.isEmpty { _ = try await connection.execute([adjustments]) }
        let limits = limits(of: plan, after: 0)
        var commands = plan.commands
        var replies: [CommandReply] = []
        for (index, lists) in plan.lists.sorted(by: { $0.key < $1.key }) {
            let command = commands[index]
            var types = command.isCached ? connection.parameterTypes(of: command.sql) : nil
            if types == nil {
                let description = Command.describing(command.sql, cached: command.isCached)
                let step = try await connection.execute(
                    [commands[replies.count..<index] + [description]],
                    limits: limits?.left(after: replies))[0]
                guard WorkPlan.haveCompleted(step), !wasCancelled else {
                    return plan.ended(after: replies + step, wasCancelled: wasCancelled)
                }
                replies += step.dropLast()
                types = step.last?.result?.parameterTypes
            }
            do throws(PostgresError) {
                let arrays = try await connection.arrayTypes(types ?? [])
                commands[index] = command.with(lists, types: types ?? [], arrays: arrays)
            } catch {
                guard case .server(let message) = error else { throw error }
                return plan.ended(by: message, at: index, after: replies)
            }
            if let flaw = commands[index].flaw {
                return plan.ended(by: flaw, at: index, after: replies)
            }
        }
        return replies
            + (try await connection.execute(
                [Array(commands[replies.count...])], limits: limits?.left(after: replies))[0])
    }
}

extension WorkPlan {
    /// Replies for all commands, if nothing was sent after these.
    fileprivate func ended(
        after replies: [CommandReply], wasCancelled: Bool
    ) -> [CommandReply] {
        guard wasCancelled, Self.haveCompleted(replies) else { return padded(replies) }
        let cancelled = ServerMessage(
            state: .queryCanceled, message: "the branch was cancelled before this statement ran")
        return ended(by: cancelled, at: replies.count - 1, after: Array(replies.dropLast()))
    }

    /// Replies for all commands, if neither this one nor those between were sent.
    fileprivate func ended(
        by message: ServerMessage, at index: Int, after replies: [CommandReply]
    ) -> [CommandReply] {
        let unsent = Array(repeating: CommandReply.skipped, count: index - replies.count)
        return padded(replies + unsent + [.failed(message)])
    }

    private func padded(_ replies: [CommandReply]) -> [CommandReply] {
        replies + Array(repeating: .skipped, count: commands.count - replies.count)
    }
}

extension Command {
    /// The command with the text of those lists that the server takes for arrays.
    fileprivate func with(
        _ lists: [Int: any ListParameter], types: [UInt32], arrays: [UInt32: ArrayType]
    ) -> Command {
        var command = self
        for (number, list) in lists where types.indices.contains(number) {
            guard let array = arrays[types[number]] else { continue }
            command.parameters[number] = list.text(as: ArrayElements(array))
        }
        return command
    }
}

extension ResultLimits {
    /// What the first commands of a branch leave for the others, which are counted from 0 again.
    fileprivate func left(after replies: [CommandReply]) -> ResultLimits {
        var left = self
        let sent = replies.count
        left.commands = commands.map {
            max($0.lowerBound - sent, 0)..<max($0.upperBound - sent, 0)
        }
        for (index, reply) in replies.enumerated() {
            guard commands?.contains(index) ?? true, let result = reply.result else { continue }
            left.rowsMax = max(left.rowsMax - result.rowCount, 0)
            left.bytesMax = max(left.bytesMax - result.byteCount, 0)
        }
        return left
    }
}
