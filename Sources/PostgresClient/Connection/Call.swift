import EventLoop

/// One `execute` under way: the replies to its segments so far, and its timeout.
@LoopActor
final class Call {
    typealias Outcome = Result<[[CommandReply]], PostgresError>

    let segmentCount: Int
    let limits: ResultLimits?
    private var completion: (@LoopActor (Outcome) -> Void)?
    var timer: LoopTimer?
    private var replies: [[CommandReply]] = []
    /// The replies of the segment under way.
    private var segment: [CommandReply] = []
    /// Which of the call's commands is under way.
    private var ordinal = 0

    private var rowsLeft: Int
    private var bytesLeft: Int
    /// The rows of the command under way, if there are limits.
    private var rows = CollectedRows()
    /// Whether a row of the command under way was left out.
    private(set) var isTruncated = false
    /// Whether the limits were reached by any command.
    private(set) var exceededLimits = false

    init(
        segmentCount: Int, limits: ResultLimits?,
        completion: @escaping @LoopActor (Outcome) -> Void
    ) {
        self.segmentCount = segmentCount
        self.limits = limits
        self.completion = completion
        rowsLeft = limits?.rowsMax ?? 0
        bytesLeft = limits?.bytesMax ?? 0
    }

    /// How many segments are not answered yet.
    var segmentsLeft: Int { segmentCount - replies.count }

    /// Takes a row, or leaves it out: then, and from then on, the limits are reached.
    func append(row: OpaquePointer) {
        guard isLimited else { return unsafe rows.append(row) }
        let size = unsafe CollectedRows.byteCount(of: row)
        guard !exceededLimits, rowsLeft >= 1, bytesLeft >= size else { return exceedLimits() }
        rowsLeft -= 1
        bytesLeft -= size
        unsafe rows.append(row)
    }

    /// Whether the limits are for the command under way.
    private var isLimited: Bool {
        guard let limits else { return false }
        return limits.commands?.contains(ordinal) ?? true
    }

    private func exceedLimits() {
        exceededLimits = true
        isTruncated = true
    }

    /// The names of the columns come with the result, however few rows it has; a thousand statements
    /// of a thousand columns each would be as large as any rows.
    private func count(columnsOf result: OpaquePointer) {
        guard isLimited else { return }
        bytesLeft -= unsafe CollectedRows.nameByteCount(of: result)
        if bytesLeft < 0 { exceedLimits() }
    }

    /// The command under way ended well; takes its PGresult over.
    func complete(_ result: OpaquePointer, notices: [ServerMessage]) {
        // A command without rows has the same shape with limits as without.
        unsafe count(columnsOf: result)
        let rows = limits != nil ? rows : nil
        let storage = unsafe ResultStorage(taking: result, rows: rows)
        var result = CommandResult(storage: storage)
        result.notices = notices
        result.isTruncated = isTruncated
        append(.completed(result))
    }

    func fail(_ message: ServerMessage) {
        // We cancel only commands whose rows were left out.
        let isOurs = isTruncated && message.state == .queryCanceled
        append(isOurs ? .exceeded : .failed(message))
    }

    func skip() {
        append(.skipped)
    }

    private func append(_ reply: CommandReply) {
        segment.append(reply)
        ordinal += 1
        rows = CollectedRows()
        isTruncated = false
    }

    /// The server could not commit at the end of the segment: what completed last did not happen.
    func failCommit(_ message: ServerMessage) {
        guard let index = segment.lastIndex(where: { $0.result != nil }) else { return }
        segment[index] = .failed(message)
    }

    /// The segment is answered; `notices` came at its end.
    func endSegment(notices: [ServerMessage]) {
        if !notices.isEmpty, let index = segment.lastIndex(where: { $0.result != nil }),
            case .completed(var result) = segment[index]
        {
            result.notices += notices
            segment[index] = .completed(result)
        }
        replies.append(segment)
        segment = []
    }

    func succeed() {
        finish(.success(replies))
    }

    func finish(_ outcome: Outcome) {
        timer?.cancel()
        timer = nil
        // Taken out before it is called: a call ends once, whatever the completion does.
        guard let completion else { return }
        self.completion = nil
        completion(outcome)
    }
}
