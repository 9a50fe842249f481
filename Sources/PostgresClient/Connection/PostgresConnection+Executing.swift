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
    /// be sent, and otherwise later, from within the work of the loop, or of whatever ends the
    /// connection. It may use this connection and others: execute again, close, give back.
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
        for segment in segments {
            for command in segment {
                if let flaw = command.flaw { return completion(.failure(.server(flaw))) }
            }
        }
        if segments.isEmpty { return completion(.success([])) }
        // The completion is called exactly once: `Call` takes it out when it ends, and every call ends
        // with the connection at the latest.
        let call = Call(segmentCount: segments.count, limits: limits, completion: completion)
        if let timeout {
            call.timer = loop.schedule(after: timeout) { [weak self] in self?.timeOut(call) }
        }
        submit(call, segments)
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

    private func submit(_ call: Call, _ segments: [[Command]]) {
        outstanding += segments.count
        // A cancel request names the session and no command: it might hit a command that is sent before
        // the request has arrived.
        if cancelsUnderWay > 0 {
            held.append((call, segments))
        } else {
            send(call, segments)
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
        calls.append(call)
        unsafe sendHousekeeping(handle)
        let wasIdle = expected.isEmpty
        for segment in segments {
            segmentNumber += 1
            for command in segment {
                guard unsafe send(command, of: call, handle) else { return lose() }
            }
            guard unsafe PQpipelineSync(handle) == 1 else { return lose() }
            expected.append(.endOfSegment(call))
        }
        if wasIdle { headChanged() }
        flushAtEndOfTurn()
    }

    /// Several calls of one turn are written in one piece.
    private func flushAtEndOfTurn() {
        guard !isFlushDue else { return }
        isFlushDue = true
        loop.atEndOfTurn { [weak self] in
            self?.isFlushDue = false
            self?.flush()
        }
    }

    private func send(_ command: Command, of call: Call, _ handle: OpaquePointer) -> Bool {
        let plan: StatementCache.Plan =
            command.isCached ? statements.plan(for: command.sql, in: segmentNumber) : .unnamed
        if command.isDescription {
            return unsafe sendDescription(
                of: command, by: plan, for: call, handle)
        }
        if case .prepareAndExecute(let statement) = plan {
            guard unsafe sendPreparation(of: command, as: statement, handle) else { return false }
        }
        let count = Int32(command.parameters.count)
        return unsafe withCStrings(command.parameters) { values in
            switch plan {
            case .execute(let statement), .prepareAndExecute(let statement):
                let isReused = if case .execute = plan { true } else { false }
                expected.append(
                    .command(call, Execution(statement: statement, isReused: isReused)))
                return unsafe PQsendQueryPrepared(
                    handle, statement.name, count, values, nil, nil, 0) == 1
            case .unnamed:
                expected.append(.command(call, Execution()))
                return unsafe PQsendQueryParams(
                    handle, command.sql, count, nil, values, nil, nil, 0) == 1
            }
        }
    }

    /// Prepares a statement to be kept, and asks once for its parameters' types: the text of later values
    /// may depend on them, and they show whether the statement is outdated.
    private func sendPreparation(
        of command: Command, as statement: StatementCache.Statement, _ handle: OpaquePointer
    ) -> Bool {
        guard unsafe PQsendPrepare(handle, statement.name, command.sql, 0, nil) == 1 else {
            return false
        }
        expected.append(.preparation(statement))
        if command.parameters.isEmpty { return true }
        expected.append(.description(statement))
        return unsafe PQsendDescribePrepared(handle, statement.name) == 1
    }

    private func sendDescription(
        of command: Command, by plan: StatementCache.Plan, for call: Call, _ handle: OpaquePointer
    ) -> Bool {
        let name: String
        switch plan {
        case .execute(let statement):
            name = statement.name
            expected.append(.command(call, Execution(statement: statement, isReused: true)))
        case .prepareAndExecute(let statement):
            name = statement.name
            guard unsafe PQsendPrepare(handle, name, command.sql, 0, nil) == 1 else { return false }
            expected.append(.preparation(statement))
            expected.append(.command(call, Execution(statement: statement)))
        case .unnamed:
            name = ""
            guard unsafe PQsendPrepare(handle, name, command.sql, 0, nil) == 1 else { return false }
            expected.append(.preparation(nil))
            expected.append(.command(call, Execution()))
        }
        return unsafe PQsendDescribePrepared(handle, name) == 1
    }

    /// Deallocates statements, outside transactions and in a segment of its own, where a failure has no
    /// effect on commands.
    private func sendHousekeeping(_ handle: OpaquePointer) {
        guard expected.isEmpty, unsafe PQtransactionStatus(handle) == PQTRANS_IDLE else { return }
        let sql = statements.housekeeping()
        if sql.isEmpty { return }
        for command in sql {
            guard unsafe PQsendQueryParams(handle, command, 0, nil, nil, nil, nil, 0) == 1
            else { return }
            expected.append(.housekeeping)
        }
        guard unsafe PQpipelineSync(handle) == 1 else { return }
        expected.append(.endOfHousekeeping)
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
