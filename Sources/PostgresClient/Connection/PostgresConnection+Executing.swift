import CLibpq
import EventLoop

extension PostgresConnection {
    /// Runs segments of commands, in order, and hands a reply for every command to a completion.
    ///
    /// A failed command makes the rest of its segment `skipped`; later segments run. Outside a
    /// transaction a segment is a transaction of its own: if it fails, what completed before in the
    /// same segment is undone, and if its commit fails, the last command is the one that `failed`.
    ///
    /// The completion is called exactly once, on the loop; before this function returns if nothing can
    /// be sent, or the connection breaks over it, and otherwise later, from within the work of the loop
    /// or of whatever ends the connection. It may use this connection and others: execute again, close,
    /// give back.
    ///
    /// It fails with `closed` if nothing was sent; `server` (nothing was sent either) if a command
    /// cannot be sent because of a NUL or too many parameters; `connectionLost` or `timedOut` if
    /// what happened is unknown.
    ///
    /// - Parameters:
    ///   - limits: rows beyond them are dropped as they arrive, and the command is cancelled unless other
    ///     calls follow it, which the cancel might hit. See ``CommandReply/exceeded``.
    ///   - timeout: after it the connection is closed, and with it every call under way.
    package func execute(
        _ segments: [[Command]], limits: ResultLimits? = nil, timeout: Duration? = nil,
        then completion: @escaping @LoopActor (Result<[[CommandReply]], PostgresError>) -> Void
    ) {
        guard isOpen else { return completion(.failure(.closed)) }
        if let flaw = Self.flaw(in: segments) { return completion(.failure(.server(flaw))) }
        if segments.isEmpty { return completion(.success([])) }
        // The completion is called exactly once: `Call` takes it out when it ends, and every call ends
        // with the connection at the latest.
        let call = Call(
            of: segments, on: self, limits: limits, completion: completion)
        if let timeout { bound(call, to: timeout) }
        outstanding += segments.count
        // A cancel request names the session and no command: it might hit a command that is sent before
        // the request has arrived.
        if cancelsUnderWay > 0 {
            held.append((call, segments))
        } else {
            send(call, segments)
        }
    }

    private nonisolated static func flaw(in segments: [[Command]]) -> ServerMessage? {
        for segment in segments {
            for index in segment.indices where segment[index].mayHaveFlaw {
                if let flaw = segment[index].flaw { return flaw }
            }
        }
        return nil
    }

    /// Runs segments of commands, in order, and returns a reply for every command; see
    /// ``execute(_:limits:timeout:then:)``.
    package func execute(
        _ segments: [[Command]], limits: ResultLimits? = nil, timeout: Duration? = nil
    ) async throws(PostgresError) -> [[CommandReply]] {
        let outcome = await withCheckedContinuation {
            (continuation: CheckedContinuation<Call.Outcome, Never>) in
            execute(segments, limits: limits, timeout: timeout) {
                continuation.resume(returning: $0)
            }
        }
        return try outcome.get()
    }

    /// Runs one command, and throws `server` if it fails.
    ///
    /// A cached statement that turned out to be gone is prepared again, once, outside transactions.
    package func query(
        _ sql: String, _ parameters: [String?] = [], timeout: Duration? = nil
    ) async throws(PostgresError) -> CommandResult {
        let segments = [[Command(sql, parameters)]]
        var replies = try await execute(segments, timeout: timeout)
        if replies[0][0].forgotStatement, transactionStatus == .idle {
            replies = try await execute(segments, timeout: timeout)
        }
        switch replies[0][0] {
        case .completed(let result): return result
        case .failed(let message): throw .server(message)
        case .exceeded, .skipped:
            // Without limits and with nothing before it, neither can be.
            throw .connectionLost("a single command was answered as if there were others")
        }
    }

    /// Sends what was held back while a cancel request was under way.
    func releaseHeld() {
        let released = held
        held = []
        for (call, segments) in released { send(call, segments) }
    }

    private func send(_ call: Call, _ segments: [[Command]]) {
        // Sending an earlier call that was held back may have shown that the connection is broken.
        guard let handle = unsafe handle else { return call.finish(.failure(.closed)) }
        unsafe sendHousekeeping(to: handle)
        // It may have shown that the connection is broken; nothing of this call was sent.
        guard isOpen else { return call.finish(.failure(.closed)) }
        let wasIdle = calls.isEmpty
        calls.append(call)
        var steps: [Call.Step] = []
        steps.reserveCapacity(segments[0].count + 1)
        for segment in segments {
            segmentNumber += 1
            for index in segment.indices {
                guard unsafe send(segment[index], adding: &steps, to: handle) else {
                    return lose()
                }
            }
            guard unsafe PQpipelineSync(handle) == 1 else { return lose() }
            steps.append(Call.Step(kind: .endOfSegment))
        }
        call.steps = steps
        if wasIdle { headChanged() }
        unsafe finishSending(to: handle)
    }

    private func send(
        _ command: Command, adding steps: inout [Call.Step], to handle: OpaquePointer
    ) -> Bool {
        let plan: StatementCache.Plan =
            command.isCached ? statements.plan(for: command, in: segmentNumber) : .unnamed
        if command.isDescription {
            return unsafe sendDescription(of: command, by: plan, adding: &steps, to: handle)
        }
        switch plan {
        case .execute(let statement):
            steps.append(Call.Step(kind: .command, statement: statement, isReused: true))
            return unsafe Pipeline.execute(statement.name, command, on: handle)
        case .prepareAndExecute(let statement):
            guard unsafe sendPreparation(of: command, as: statement, adding: &steps, to: handle)
            else { return false }
            steps.append(Call.Step(kind: .command, statement: statement))
            return unsafe Pipeline.execute(statement.name, command, on: handle)
        case .unnamed:
            steps.append(Call.Step(kind: .command))
            return unsafe Pipeline.run(command, on: handle)
        }
    }

    /// Prepares a statement to be kept, and asks once for its parameters' types: the text of later values
    /// may depend on them, and they show whether the statement is outdated.
    private func sendPreparation(
        of command: Command, as statement: StatementCache.Statement,
        adding steps: inout [Call.Step], to handle: OpaquePointer
    ) -> Bool {
        steps.append(Call.Step(kind: .preparation, statement: statement))
        guard unsafe PQsendPrepare(handle, statement.name, command.sql, 0, nil) == 1 else {
            return false
        }
        if command.parameters.isEmpty, command.arrays.isEmpty { return true }
        steps.append(Call.Step(kind: .description, statement: statement))
        return unsafe PQsendDescribePrepared(handle, statement.name) == 1
    }

    private func sendDescription(
        of command: Command, by plan: StatementCache.Plan, adding steps: inout [Call.Step],
        to handle: OpaquePointer
    ) -> Bool {
        var name = ""
        switch plan {
        case .execute(let statement):
            name = statement.name
            steps.append(Call.Step(kind: .command, statement: statement, isReused: true))
        case .prepareAndExecute(let statement):
            name = statement.name
            guard unsafe PQsendPrepare(handle, name, command.sql, 0, nil) == 1 else { return false }
            steps.append(Call.Step(kind: .preparation, statement: statement))
            steps.append(Call.Step(kind: .command, statement: statement))
        case .unnamed:
            guard unsafe PQsendPrepare(handle, name, command.sql, 0, nil) == 1 else { return false }
            steps.append(Call.Step(kind: .preparation))
            steps.append(Call.Step(kind: .command))
        }
        return unsafe PQsendDescribePrepared(handle, name) == 1
    }

    /// Deallocates statements, outside transactions and in a segment of its own, where a failure has no
    /// effect on commands.
    private func sendHousekeeping(to handle: OpaquePointer) {
        guard statements.needsHousekeeping, calls.isEmpty,
            unsafe PQtransactionStatus(handle) == PQTRANS_IDLE
        else { return }
        let sql = statements.housekeeping()
        // What was sent before a failure would be answered as if it were the next call's.
        for command in sql {
            guard unsafe Pipeline.run(Command(command), on: handle) else { return lose() }
        }
        guard unsafe PQpipelineSync(handle) == 1 else { return lose() }
        calls.append(Call(housekeeping: sql.count))
    }

    /// Looks after what could not be written at once, and what libpq has read instead.
    ///
    /// From version 15 to 18, `PQpipelineSync` writes all that is buffered, as far as the socket takes it.
    private func finishSending(to handle: OpaquePointer) {
        let rest = unsafe PQflush(handle)
        if rest < 0 { return lose() }
        watchWrites(rest == 1)
        // If libpq cannot write it reads instead, and epoll does not report what it has read. A call that
        // is sent from within `drain` needs nothing: the loop there goes on.
        guard isOpen, !isDraining, unsafe rest == 1 || PQisBusy(handle) == 0 else { return }
        loop.atEndOfTurn { [weak self] in self?.drain() }
    }

    /// Writes what libpq has buffered, and watches for writability only as long as some is left.
    func flush() {
        guard let handle = unsafe handle else { return }
        let rest = unsafe PQflush(handle)
        if rest < 0 { return lose() }
        watchWrites(rest == 1)
        // If libpq cannot write it reads instead, and epoll does not report what it has read.
        drain()
    }

    private func watchWrites(_ isNeeded: Bool) {
        guard isNeeded != isWatchingWrites else { return }
        isWatchingWrites = isNeeded
        do {
            try loop.change(descriptor, to: isNeeded ? [.read, .write] : .read)
        } catch {
            lose("\(error)")
        }
    }
}
