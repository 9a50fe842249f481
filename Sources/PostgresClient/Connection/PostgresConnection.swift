import CLibpq
public import EventLoop

/// A connection, in libpq's pipeline mode, on the loop.
///
/// Several calls may be under way at once; they are answered in order.
@LoopActor
public final class PostgresConnection {
    /// The backend's pid.
    public let processID: Int32
    /// Called once when the connection ends, whoever ends it.
    public var onClose: (@LoopActor (PostgresError) -> Void)?

    var pointer: OpaquePointer?
    private let socket: Int32
    var expected: [Expected] = []
    var head = 0
    var cache: StatementCache
    var notices: [ServerMessage] = []
    var rows: [ResultHandle] = []
    var last: ResultHandle?
    var failure: ServerMessage?
    var isTruncating = false
    var isRowWise = false
    private var wantsWrite = false

    private init(_ pointer: OpaquePointer, cacheCapacity: Int) {
        self.pointer = pointer
        socket = PQsocket(pointer)
        processID = PQbackendPID(pointer)
        cache = StatementCache(capacity: cacheCapacity)
    }

    /// Connects, within the timeout.
    public static func connect(
        _ options: ConnectionOptions, timeout: Duration, statementCacheMax: Int = 256
    ) async throws(PostgresError) -> PostgresConnection {
        let pointer = try await Connector.connect(options, timeout: timeout)
        let connection = PostgresConnection(pointer, cacheCapacity: statementCacheMax)
        connection.receiveNotices()
        do throws(DescriptorError) {
            try EventLoop.shared.watch(connection.socket, for: .read) { [weak connection] ready in
                connection?.react(ready)
            }
        } catch {
            PQfinish(pointer)
            connection.pointer = nil
            throw .unreachable("\(error)")
        }
        return connection
    }

    isolated deinit { end(.closed) }

    /// Whether calls can be made.
    public var isOpen: Bool { pointer != nil }

    /// Whether the session is in a transaction block, failed or not, as of the last answer.
    public var isInTransaction: Bool {
        guard let pointer else { return false }
        let status = PQtransactionStatus(pointer)
        return status == PQTRANS_INTRANS || status == PQTRANS_INERROR
    }

    /// Runs segments, each ended by a synchronization point, in one write.
    ///
    /// Outside a transaction block a segment is a transaction of its own. A command that fails
    /// makes the rest of its segment `skipped`; later segments run.
    ///
    /// A thrown error means that the connection is gone, and that what was sent may have run, but
    /// for `closed`: then nothing was sent.
    public func execute(
        _ segments: [[Command]], limits: ResultLimits? = nil, timeout: Duration? = nil
    ) async throws(PostgresError) -> [[CommandReply]] {
        guard pointer != nil else { throw .closed }
        let call = Call(segments: segments, limits: limits)
        let result = await withCheckedContinuation { reply in
            call.reply = reply
            if let timeout {
                call.timer = EventLoop.shared.schedule(after: timeout) { [weak self] in
                    self?.end(.timedOut)
                }
            }
            send(segments, call)
        }
        return try result.get()
    }

    /// Runs one command by itself; an error of the server is thrown as `server`.
    public func query(
        _ sql: String, _ parameters: [String?] = [], timeout: Duration? = nil
    ) async throws(PostgresError) -> CommandResult {
        let replies = try await execute([[Command(sql, parameters)]], timeout: timeout)
        switch replies[0].first {
        case .completed(let result): return result
        case .failed(let message): throw .server(message)
        case .exceeded, .skipped, nil: throw .connectionLost("the command was skipped")
        }
    }

    /// Asks the server to cancel what runs.
    ///
    /// It returns when the request was delivered, or could not be; the command's own answer tells
    /// what became of it.
    public func requestCancel() async {
        guard let pointer, let cancel = PQgetCancel(pointer) else { return }
        let handle = CancelHandle(pointer: cancel)
        await BlockingCall.run { handle.send() }
    }

    /// Ends the connection.
    ///
    /// Calls under way fail with `connectionLost`.
    public func close() { end(.connectionLost("closed here")) }

    func end(_ error: PostgresError) {
        guard let pointer else { return }
        self.pointer = nil
        EventLoop.shared.unwatch(socket)
        PQfinish(pointer)
        var seen: Set<ObjectIdentifier> = []
        let outstanding = expected[head...]
        expected = []
        head = 0
        for item in outstanding {
            switch item {
            case .preparation(let call, _), .command(let call, _, _), .end(let call):
                if seen.insert(ObjectIdentifier(call)).inserted { call.finish(.failure(error)) }
            case .upkeep, .upkeepEnd: break
            }
        }
        onClose?(error)
        onClose = nil
    }

    private func react(_ ready: Readiness) {
        guard let pointer else { return }
        if ready.contains(.write) { flush() }
        guard ready.contains(.read), self.pointer != nil else { return }
        if PQconsumeInput(pointer) == 0 {
            // What came before the end is still to be taken.
            takeResults()
            return end(.connectionLost(lastMessage))
        }
        takeResults()
        if let pointer = self.pointer, PQstatus(pointer) == CONNECTION_BAD {
            end(.connectionLost(lastMessage))
        }
    }

    var lastMessage: String {
        guard let pointer else { return "closed" }
        let text = String(cString: PQerrorMessage(pointer))
        return text.split(separator: "\n").first.map(String.init) ?? "the server went away"
    }

    /// Writes what libpq holds; asks for writability only while something is left.
    func flush() {
        guard let pointer else { return }
        let left = PQflush(pointer)
        guard left >= 0 else { return end(.connectionLost(lastMessage)) }
        guard (left == 1) != wantsWrite else { return }
        wantsWrite = left == 1
        do throws(DescriptorError) {
            try EventLoop.shared.change(socket, to: wantsWrite ? [.read, .write] : .read)
        } catch {
            end(.connectionLost("\(error)"))
        }
    }
}

/// A `PGcancel`: a copy of what a cancel request needs, usable on any thread.
private final class CancelHandle: @unchecked Sendable {
    private let pointer: OpaquePointer

    init(pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit { PQfreeCancel(pointer) }

    func send() {
        var message = [CChar](repeating: 0, count: 256)
        _ = PQcancel(pointer, &message, Int32(message.count))
    }
}
