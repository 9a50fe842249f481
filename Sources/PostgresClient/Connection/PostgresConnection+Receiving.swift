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
        guard !expected.isEmpty else { return }
        // The last notices are kept, since a commit's come after those of all commands before it.
        if pendingNotices.count == Self.noticesMax { pendingNotices.removeFirst() }
        pendingNotices.append(notice)
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
    /// takes no results, or close it, so nothing is kept over a turn of these loops.
    func drain() {
        while let handle = unsafe handle, !expected.isEmpty, unsafe PQisBusy(handle) == 0 {
            if let result = unsafe PQgetResult(handle) {
                silences = 0
                unsafe take(result)
            } else {
                endHead()
            }
        }
        while let handle = unsafe handle, let notification = unsafe PQnotifies(handle) {
            let channel = unsafe String(cString: notification.pointee.relname)
            let payload = unsafe String(cString: notification.pointee.extra)
            unsafe PQfreemem(notification)
            onNotification?(channel, payload)
        }
    }

    /// A NULL from libpq ends the results of one command.
    private func endHead() {
        if isHeadAnswered {
            isHeadAnswered = false
            expected.popFirst()
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
        guard let handle = unsafe handle, case .command(let call, _) = expected.first,
            call.limits != nil
        else { return }
        // Zero if the command is skipped, which libpq knows already; then there are no rows.
        _ = unsafe PQsetSingleRowMode(handle)
    }

    /// Takes a result over.
    private func take(_ result: OpaquePointer) {
        switch unsafe PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
            return unsafe complete(result)
        case PGRES_SINGLE_TUPLE:
            if case .command(let call, _) = expected.first {
                unsafe call.append(row: result)
                if call.isTruncated { cancelExcess(of: call) }
            }
        case PGRES_FATAL_ERROR:
            if let message = unsafe ServerMessage(result) {
                fail(message)
            } else {
                lose(unsafe ServerText.lines(PQresultErrorMessage(result)))
            }
        case PGRES_PIPELINE_ABORTED:
            skip()
        case PGRES_PIPELINE_SYNC:
            endSegment()
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
            // Only the COPY protocol could end this state of the session.
            lose("COPY from or to the client is not supported")
        default:
            lose("libpq gave a result of an unknown kind")
        }
        unsafe PQclear(result)
    }

    /// The first command ended well; its result passes on to the caller.
    private func complete(_ result: OpaquePointer) {
        isHeadAnswered = true
        switch expected.first {
        case .preparation(let statement):
            statement?.isConfirmed = true
            unsafe PQclear(result)
        case .description(let statement):
            statement.parameterTypes = unsafe ResultStorage.parameterTypes(of: result)
            unsafe PQclear(result)
        case .command(let call, let execution):
            // Only a description has parameters in its result.
            if let statement = execution.statement, unsafe PQnparams(result) > 0 {
                statement.parameterTypes = unsafe ResultStorage.parameterTypes(of: result)
            }
            if unsafe PQcmdStatus(result).map({ unsafe $0.pointee }) == CChar(UInt8(ascii: "D")) {
                unsafe noteDeallocation(result)
            }
            unsafe call.complete(result, notices: takeNotices())
        case .housekeeping, .endOfSegment, .endOfHousekeeping, nil:
            unsafe PQclear(result)
        }
    }

    /// Forgets the cached statements if the command deallocated them all.
    private func noteDeallocation(_ result: OpaquePointer) {
        guard let tag = unsafe PQcmdStatus(result) else { return }
        let text = unsafe String(cString: tag)
        if text == "DISCARD ALL" || text == "DEALLOCATE ALL" { statements.forgetConfirmed() }
    }

    private func fail(_ message: ServerMessage) {
        if message.endsSession { lastWords = message }
        switch expected.first {
        case .preparation(let statement):
            isHeadAnswered = true
            if let statement { statements.forget(statement) }
            preparationFailure = message
        case .description(let statement):
            isHeadAnswered = true
            statements.retire(statement)
            preparationFailure = message
        case .command(let call, let execution):
            isHeadAnswered = true
            pendingNotices = []
            call.fail(forgetting(execution, because: message))
        case .endOfSegment(let call):
            // Outside a transaction the commit happens at the Sync, after the command tags.
            call.failCommit(message)
        case .housekeeping:
            isHeadAnswered = true
            statements.suspect()
        case .endOfHousekeeping, nil:
            break
        }
    }

    /// Forgets a kept statement that the server can no longer execute, and adds to the error what shows
    /// whether the statement or the caller caused it.
    private func forgetting(
        _ execution: Execution, because message: ServerMessage
    ) -> ServerMessage {
        guard let statement = execution.statement else { return message }
        var message = message
        if execution.isReused { message.keptParameterTypes = statement.parameterTypes }
        if message.state == .invalidSQLStatementName {
            statements.suspect()
            message.forgotStatement = true
        } else if execution.isReused, message.showsOutdatedStatement {
            statements.retire(statement)
            message.forgotStatement = true
        } else if message.state.class == "22" {
            // The value is bad, or it fits only the type that the column has now.
            statements.retire(statement)
        }
        return message
    }

    private func skip() {
        isHeadAnswered = true
        switch expected.first {
        case .preparation(let statement):
            if let statement { statements.forget(statement) }
        case .description:
            break
        case .command(let call, _):
            // The failure of a Parse is the failure of the command it was for.
            if let failure = preparationFailure { call.fail(failure) } else { call.skip() }
            preparationFailure = nil
            pendingNotices = []
        case .endOfSegment, .housekeeping, .endOfHousekeeping, nil:
            break
        }
    }

    private func endSegment() {
        isHeadAnswered = false
        switch expected.popFirst() {
        case .endOfSegment(let call):
            call.endSegment(notices: takeNotices())
            outstanding -= 1
            headChanged()
            guard call.segmentsLeft == 0 else { return }
            calls.popFirst()
            // Last of all: the completion may send, or close the connection.
            call.succeed()
        case .endOfHousekeeping:
            pendingNotices = []
            headChanged()
        case .preparation, .description, .command, .housekeeping, nil:
            lose("libpq ended a segment that has commands left")
        }
    }

    private func takeNotices() -> [ServerMessage] {
        if pendingNotices.isEmpty { return [] }
        defer { pendingNotices = [] }
        return pendingNotices
    }
}
