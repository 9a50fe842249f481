import CLibpq
import EventLoop

/// One `execute` under way: what results it awaits, its replies so far, and its time.
@LoopActor
final class Call {
    typealias Outcome = Result<[[CommandReply]], PostgresError>

    /// What a result of libpq belongs to.
    struct Step {
        enum Kind {
            /// Of a statement that is kept, or of one that is for this once.
            case preparation
            /// Of a kept statement's parameters.
            case description
            case command
            /// Of the session's own, between the calls.
            case housekeeping
            case endOfSegment
        }

        let kind: Kind
        /// The kept statement.
        var statement: StatementCache.Statement?
        /// Whether it was prepared by a command before this one.
        var isReused = false
    }

    /// The connection stays as long as it owes an answer, whether or not anything else holds it.
    private let connection: PostgresConnection?
    /// The call that was sent after it; see `CallQueue`.
    var next: Call?
    /// What was sent, in order; set once all of it is.
    var steps: [Step] = []
    /// The first step that is not answered.
    var position = 0
    let limits: ResultLimits?
    /// When its time is up.
    var deadline = Deadline.never
    private let segmentCount: Int
    private var completion: (@LoopActor (Outcome) -> Void)?
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
    private var exceededLimits = false

    init(
        of segments: [[Command]], on connection: PostgresConnection, limits: ResultLimits?,
        completion: @escaping @LoopActor (Outcome) -> Void
    ) {
        self.connection = connection
        segmentCount = segments.count
        self.limits = limits
        self.completion = completion
        rowsLeft = limits?.rowsMax ?? 0
        bytesLeft = limits?.bytesMax ?? 0
        segment.reserveCapacity(segments[0].count)
    }

    /// Makes the session's own call, whose results are nobody's.
    init(housekeeping count: Int) {
        connection = nil
        segmentCount = 0
        limits = nil
        rowsLeft = 0
        bytesLeft = 0
        steps =
            Array(repeating: Step(kind: .housekeeping), count: count)
            + [Step(kind: .endOfSegment)]
    }

    /// Whether it is the session's own.
    var isHousekeeping: Bool { segmentCount == 0 }

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
    func complete(_ result: OpaquePointer, tag: String, notices: [ServerMessage]) {
        var storage: ResultStorage?
        if unsafe PQnfields(result) == 0, unsafe PQntuples(result) == 0,
            unsafe PQnparams(result) == 0, limits == nil || rows.count == 0
        {
            unsafe PQclear(result)
        } else {
            unsafe count(columnsOf: result)
            storage = unsafe ResultStorage(taking: result, rows: limits != nil ? rows : nil)
        }
        var completed = CommandResult(tag: tag, storage: storage)
        completed.notices = notices
        completed.isTruncated = isTruncated
        append(.completed(completed))
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
        guard limits != nil else { return }
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

    /// Whether every segment is answered.
    var isAnswered: Bool { position == steps.count }

    func succeed() {
        finish(.success(replies))
    }

    func finish(_ outcome: Outcome) {
        // Taken out before it is called: a call ends once, whatever the completion does.
        guard let completion else { return }
        self.completion = nil
        completion(outcome)
    }
}
