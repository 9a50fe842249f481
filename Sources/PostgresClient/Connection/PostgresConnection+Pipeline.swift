import CLibpq
import EventLoop

extension PostgresConnection {
    func send(_ segments: [[Command]], _ call: Call) {
        for name in cache.evict() {
            guard queue(Command("DEALLOCATE \(name)", cached: false)) else { return }
            expected.append(.upkeep)
            guard synchronize(.upkeepEnd) else { return }
        }
        for (index, segment) in segments.enumerated() {
            for command in segment {
                guard send(command, call, index) else { return }
            }
            guard synchronize(.end(call)) else { return }
        }
        flush()
    }

    private func send(_ command: Command, _ call: Call, _ segment: Int) -> Bool {
        guard command.isCached else {
            expected.append(.command(call, segment: segment, sql: command.sql))
            return queue(command)
        }
        let (name, isNew) = cache.use(command.sql)
        if isNew {
            expected.append(.preparation(call, sql: command.sql))
            guard let pointer, PQsendPrepare(pointer, name, command.sql, 0, nil) == 1 else {
                return refuse()
            }
        }
        expected.append(.command(call, segment: segment, sql: command.sql))
        let count = Int32(command.parameters.count)
        guard let pointer else { return false }
        let sent = withCStrings(command.parameters) {
            PQsendQueryPrepared(pointer, name, count, $0, nil, nil, 0)
        }
        return sent == 1 ? true : refuse()
    }

    private func queue(_ command: Command) -> Bool {
        guard let pointer else { return false }
        let count = Int32(command.parameters.count)
        let sent = withCStrings(command.parameters) {
            PQsendQueryParams(pointer, command.sql, count, nil, $0, nil, nil, 0)
        }
        return sent == 1 ? true : refuse()
    }

    private func synchronize(_ item: Expected) -> Bool {
        expected.append(item)
        guard let pointer, PQpipelineSync(pointer) == 1 else { return refuse() }
        return true
    }

    private func refuse() -> Bool {
        end(.connectionLost(lastMessage))
        return false
    }

    /// Takes every result that has come.
    func takeResults() {
        var wasNothing = false
        while let pointer, head < expected.count {
            startRowWise(pointer)
            guard PQisBusy(pointer) == 0 else { return }
            guard let result = PQgetResult(pointer) else {
                if last != nil || failure != nil || !rows.isEmpty {
                    finishCurrent()
                    wasNothing = false
                } else if wasNothing {
                    // Twice nothing: the next answer has not begun.
                    return
                } else {
                    wasNothing = true
                }
                continue
            }
            wasNothing = false
            take(ResultHandle(result))
        }
    }

    /// Rows of calls with limits are taken one by one, so that those over the limit are never
    /// held.
    private func startRowWise(_ pointer: OpaquePointer) {
        guard !isRowWise, last == nil, rows.isEmpty, case .command(let call, _, _) = expected[head],
            call.limits != nil
        else { return }
        isRowWise = PQsetSingleRowMode(pointer) == 1
    }

    private func take(_ result: ResultHandle) {
        switch PQresultStatus(result.pointer) {
        case PGRES_PIPELINE_SYNC:
            finishSegment()
        case PGRES_SINGLE_TUPLE:
            guard case .command(let call, _, _) = expected[head] else { return }
            if !isTruncating, call.keeps(result) {
                rows.append(result)
            } else if !isTruncating {
                isTruncating = true
                Task { await requestCancel() }
            }
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
            last = result
        case PGRES_PIPELINE_ABORTED:
            last = result
        default:
            failure = result.message
        }
    }

    private func finishCurrent() {
        defer {
            rows = []
            last = nil
            failure = nil
            isTruncating = false
            isRowWise = false
            notices = []
        }
        let item = expected[head]
        head += 1
        let wasSkipped = last.map { PQresultStatus($0.pointer) == PGRES_PIPELINE_ABORTED } ?? false
        switch item {
        case .preparation(let call, let sql):
            if failure != nil || wasSkipped { cache.forget(sql) }
            if let failure, case .command(_, let segment, _) = expected[head] {
                call.replies[segment].append(.failed(failure))
                // Its command is skipped by the server; the failure stands for both.
                expected[head] = .upkeep
            }
        case .command(let call, let segment, let sql):
            if let failure {
                if failure.state == .invalidSQLStatementName
                    || failure.routine == "RevalidateCachedQuery"
                {
                    cache.forget(sql)
                }
                let isOurs = isTruncating && failure.state == .queryCanceled
                call.replies[segment].append(isOurs ? .exceeded : .failed(failure))
            } else if let last, !wasSkipped {
                var result = CommandResult(last: last, rows: rows)
                result.notices = notices
                result.isTruncated = isTruncating
                call.replies[segment].append(.completed(result))
            } else {
                call.replies[segment].append(.skipped)
            }
        case .upkeep, .upkeepEnd, .end:
            break
        }
    }

    private func finishSegment() {
        let item = expected[head]
        head += 1
        if head == expected.count {
            expected.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 256 {
            expected.removeFirst(head)
            head = 0
        }
        guard case .end(let call) = item else { return }
        call.segmentsLeft -= 1
        if call.segmentsLeft == 0 { call.finish(.success(call.replies)) }
    }

    /// Notices are kept for the command that is running when they come.
    func receiveNotices() {
        guard let pointer else { return }
        PQsetNoticeReceiver(
            pointer,
            { context, result in
                guard let context, let result else { return }
                let connection = Unmanaged<PostgresConnection>.fromOpaque(context)
                    .takeUnretainedValue()
                // libpq frees this result itself, so it is only read here.
                func field(_ code: Unicode.Scalar) -> String? {
                    PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) }
                }
                let message = ServerMessage(
                    severity: field("V") ?? "NOTICE", state: SQLState(rawValue: field("C") ?? ""),
                    message: field("M") ?? "", detail: field("D"), hint: field("H"),
                    constraint: nil, routine: field("R"))
                LoopActor.assumeIsolated { connection.notices.append(message) }
            }, Unmanaged.passUnretained(self).toOpaque())
    }
}
