import EventLoop

/// One call of `execute`: what it still waits for, and what has come.
@LoopActor
final class Call {
    var replies: [[CommandReply]]
    var segmentsLeft: Int
    let limits: ResultLimits?
    var rows = 0
    var bytes = 0
    var timer: LoopTimer?
    var reply: CheckedContinuation<Result<[[CommandReply]], PostgresError>, Never>?

    init(segments: [[Command]], limits: ResultLimits?) {
        replies = segments.map { _ in [] }
        segmentsLeft = segments.count
        self.limits = limits
    }

    func finish(_ result: Result<[[CommandReply]], PostgresError>) {
        timer?.cancel()
        let waiting = reply
        reply = nil
        waiting?.resume(returning: result)
    }

    /// Whether this row still fits.
    func keeps(_ row: ResultHandle) -> Bool {
        guard let limits else { return true }
        rows += 1
        bytes += row.valueBytes
        return rows <= limits.rows && bytes <= limits.bytes
    }
}

/// What libpq was given and has not answered yet, in order.
enum Expected {
    /// A Parse; its failure is its command's.
    case preparation(Call, sql: String)
    /// A command of a call's segment.
    case command(Call, segment: Int, sql: String)
    /// The end of a call's segment.
    case end(Call)
    /// Ours alone: nobody waits for the answer.
    case upkeep
    /// The end of upkeep.
    case upkeepEnd
}
