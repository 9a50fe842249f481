import CLibpq
import EventLoop

extension PostgresConnection {
    /// Asks libpq to hand over notices, which it would otherwise print to standard error.
    func receiveNotices(of handle: OpaquePointer) {
        // The context is not retained: libpq calls back only within calls made by this very object.
        unsafe PQsetNoticeReceiver(
            handle,
            { context, result in
                guard let context = unsafe context, let result = unsafe result,
                    let notice = unsafe ServerMessage(result)
                else { return }
                let connection = unsafe Unmanaged<PostgresConnection>.fromOpaque(context)
                    .takeUnretainedValue()
                LoopActor.assumeIsolated { connection.take(notice) }
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    private func take(_ notice: ServerMessage) {
        // The error that tells an idle session of its end answers no command.
        if notice.endsSession { lastWords = notice }
        guard !calls.isEmpty else { return }
        // The last notices are kept, since a commit's come after those of all commands before it.
        if pendingNotices.count == Self.noticesMax { pendingNotices.removeFirst() }
        pendingNotices.append(notice)
        hasNotices = true
    }

    /// The socket is ready.
    func becameReady(_ readiness: Readiness) {
        guard let handle = unsafe handle else { return }
        if isWatchingWrites { flush() }
        guard readiness.contains(.read), isOpen else { return }
        let isAlive = unsafe PQconsumeInput(handle) == 1
        // At the end of the stream as well: replies may have come just before it.
        drain()
        if !isAlive, isOpen { lose() }
    }

    /// Takes all results that are complete.
    ///
    /// A completion runs in the midst of it, between two results. It may send on this connection, which
    /// takes no results and makes no other call the first, or close it, which the loops look for each time.
    func drain() {
        isDraining = true
        defer { isDraining = false }
        var first = calls.first
        while let call = first, let handle = unsafe handle, unsafe PQisBusy(handle) == 0 {
            if let result = unsafe PQgetResult(handle) {
                silences = 0
                unsafe take(result, for: call)
            } else {
                endStep(of: call)
            }
            if call.isAnswered { first = calls.first }
        }
        while let handle = unsafe handle, let notification = unsafe PQnotifies(handle) {
            let channel = unsafe String(cString: notification.pointee.relname)
            let payload = unsafe String(cString: notification.pointee.extra)
            unsafe PQfreemem(notification)
            onNotification?(channel, payload)
        }
    }

    /// A NULL from libpq ends the results of one command.
    private func endStep(of call: Call) {
        if isHeadAnswered {
            isHeadAnswered = false
            call.position += 1
            headChanged()
        } else {
            // One NULL follows an error at the end of a segment. More of them would mean that libpq has
            // no result left for a command that we still expect one for, and this would never end.
            silences += 1
            if silences > 2 { lose("libpq has no result for a command that was sent") }
        }
    }

    /// Sets the mode of the first command, before any of its rows is read.
    func headChanged() {
        guard let handle = unsafe handle, let call = calls.first, call.limits != nil,
            call.steps[call.position].kind == .command
        else { return }
        // Zero if the command is skipped, which libpq knows already; then there are no rows.
        _ = unsafe PQsetSingleRowMode(handle)
    }

    /// Takes a result over.
    private func take(_ result: OpaquePointer, for call: Call) {
        switch unsafe PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
            return unsafe complete(result, of: call)
        case PGRES_SINGLE_TUPLE:
            if call.steps[call.position].kind == .command {
                unsafe call.append(row: result)
                if call.isTruncated { cancelExcess(of: call) }
            }
        case PGRES_FATAL_ERROR:
            if let message = unsafe ServerMessage(result) {
                fail(call, with: message)
            } else {
                lose(unsafe ServerText.lines(PQresultErrorMessage(result)))
            }
        case PGRES_PIPELINE_ABORTED:
            skip(call)
        case PGRES_PIPELINE_SYNC:
            endSegment(of: call)
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
            // Only the COPY protocol could end this state of the session.
            lose("COPY from or to the client is not supported")
        default:
            lose("libpq gave a result of an unknown kind")
        }
        unsafe PQclear(result)
    }

    /// The first command ended well; its result passes on to the caller.
    private func complete(_ result: OpaquePointer, of call: Call) {
        isHeadAnswered = true
        let step = call.steps[call.position]
        switch step.kind {
        case .preparation:
            step.statement?.isConfirmed = true
            unsafe PQclear(result)
        case .description:
            step.statement?.parameterTypes = unsafe ResultStorage.parameterTypes(of: result)
            unsafe PQclear(result)
        case .command:
            // Only a description has parameters in its result.
            if let statement = step.statement, unsafe PQnparams(result) > 0 {
                statement.parameterTypes = unsafe ResultStorage.parameterTypes(of: result)
            }
            let tag = unsafe PQcmdStatus(result)
            if unsafe CommandTag.showsDeallocation(tag) { statements.forgetConfirmed() }
            unsafe call.complete(
                result, tag: CommandTag.text(tag), notices: takeNotices())
        case .housekeeping, .endOfSegment:
            unsafe PQclear(result)
        }
    }

    private func fail(_ call: Call, with message: ServerMessage) {
        if message.endsSession { lastWords = message }
        let step = call.steps[call.position]
        if step.kind != .endOfSegment { isHeadAnswered = true }
        switch step.kind {
        case .preparation:
            if let statement = step.statement { statements.forget(statement) }
            preparationFailure = message
        case .description:
            if let statement = step.statement { statements.retire(statement) }
            preparationFailure = message
        case .command:
            dropNotices()
            call.fail(forgetting(step, because: message))
        case .endOfSegment:
            // Outside a transaction the commit happens at the Sync, after the command tags.
            call.failCommit(message)
        case .housekeeping:
            statements.suspect()
        }
    }

    /// Forgets a kept statement that the server can no longer execute, and adds to the error what shows
    /// whether the statement or the caller caused it.
    private func forgetting(_ step: Call.Step, because message: ServerMessage) -> ServerMessage {
        guard let statement = step.statement else { return message }
        var message = message
        if step.isReused { message.keptParameterTypes = statement.parameterTypes }
        if message.state == .invalidSQLStatementName {
            statements.suspect()
            message.forgotStatement = true
        } else if step.isReused, message.showsOutdatedStatement {
            statements.retire(statement)
            message.forgotStatement = true
        } else if message.state.class == "22" {
            // The value is bad, or it fits only the type that the column has now.
            statements.retire(statement)
        }
        return message
    }

    private func skip(_ call: Call) {
        isHeadAnswered = true
        let step = call.steps[call.position]
        switch step.kind {
        case .preparation:
            if let statement = step.statement { statements.forget(statement) }
        case .command:
            // The failure of a Parse is the failure of the command it was for.
            if let failure = preparationFailure { call.fail(failure) } else { call.skip() }
            preparationFailure = nil
            dropNotices()
        case .description, .endOfSegment, .housekeeping:
            break
        }
    }

    private func endSegment(of call: Call) {
        isHeadAnswered = false
        guard call.steps[call.position].kind == .endOfSegment else {
            return lose("libpq ended a segment that has commands left")
        }
        call.position += 1
        let notices = takeNotices()
        if call.isHousekeeping {
            calls.popFirst()
            return headChanged()
        }
        call.endSegment(notices: notices)
        outstanding -= 1
        guard call.isAnswered else { return headChanged() }
        calls.popFirst()
        headChanged()
        // Last of all: the completion may send, or close the connection.
        call.succeed()
    }

    private func takeNotices() -> [ServerMessage] {
        guard hasNotices else { return [] }
        hasNotices = false
        defer { pendingNotices = [] }
        return pendingNotices
    }

    private func dropNotices() {
        if hasNotices { _ = takeNotices() }
    }
}
