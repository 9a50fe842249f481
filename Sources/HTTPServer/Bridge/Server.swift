import CMicrohttpd
import EventLoop
import Glibc
import HTTPTypes

/// An HTTP/1.1 server: libmicrohttpd on its own thread, handlers as tasks on a given executor.
///
/// A request is received whole, its connection suspended, and its handler started; the handler's
/// answer resumes the connection, and is queued on libmicrohttpd's own thread.
@safe public final class Server: @unchecked Sendable {
    // Unchecked for two things: the daemon's pointer, which is guarded, and where the target of the
    // request lies whose line is being read, which libmicrohttpd's one thread alone touches. All
    // else is constant.
    let configuration: ServerConfiguration
    let executor: (any TaskExecutor)?
    let renderFailure: @Sendable (ProtocolFailure) -> ServerResponse
    let handler: Handler
    let keeper = DeadlineKeeper()
    /// What a client is told whose request does not come whole.
    let timeoutAnswer: Farewell
    /// The same for a target with a NUL in it and arguments behind it.
    let brokenTargetAnswer: Farewell
    /// The address of the target in the request line that libmicrohttpd is reading.
    var targetStart = 0
    let traffic = Lock(Traffic())
    /// libmicrohttpd's own limit of inactivity: a net below the deadlines kept here.
    let inactivitySecondsMax: Int
    /// libmicrohttpd's memory for one connection: the head, 64 bytes for each of its fields, and the
    /// head of the answer.
    static let connectionBytes = 32_768
    private let daemon = Lock<DaemonHandle?>(nil)

    enum Phase {
        case serving
        /// Answers close their connections.
        case draining
        /// No handler is started any more: libmicrohttpd must not be stopped while a connection is
        /// suspended.
        case stopping
    }

    struct Traffic {
        var exchanges: [ObjectIdentifier: Exchange] = [:]
        var phase = Phase.serving
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    /// Makes a server; nothing listens yet.
    public init(
        configuration: ServerConfiguration, executor: (any TaskExecutor)?,
        renderFailure: @escaping @Sendable (ProtocolFailure) -> ServerResponse,
        handler: @escaping Handler
    ) {
        self.configuration = configuration
        self.executor = executor
        self.renderFailure = renderFailure
        self.handler = handler
        timeoutAnswer = Farewell(renderFailure(.requestTimedOut))
        brokenTargetAnswer = Farewell(renderFailure(.badRequest(Framing.gap)))
        let longest = max(
            configuration.headerTimeout, configuration.bodyTimeout, configuration.responseTimeout)
        inactivitySecondsMax = max(300, Int(longest.components.seconds) + 2)
    }

    /// How many requests are being answered.
    public var requestsInFlight: Int { traffic.withLock { $0.exchanges.count } }

    /// Begins to listen, and answers the port.
    ///
    /// A server starts once, and lives until it is drained.
    public func start() throws(ServerError) -> UInt16 {
        var address = try configuration.address()
        signal(SIGPIPE, SIG_IGN)
        var options = unsafe self.options()
        let flags =
            MHD_USE_EPOLL_INTERNAL_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue
        let started = keeper.start()
        guard started == 0 else { throw configuration.cannotListen(started) }
        // libmicrohttpd calls back until it is stopped.
        let me = unsafe Unmanaged.passRetained(self)
        errno = 0
        let made = unsafe withUnsafeMutableBytes(of: &address) { address in
            unsafe options.append(
                MHD_OptionItem(option: .SOCK_ADDR, value: 0, ptr_value: address.baseAddress))
            unsafe options.append(MHD_OptionItem(option: .END, value: 0, ptr_value: nil))
            return unsafe options.withUnsafeMutableBufferPointer { options -> OpaquePointer? in
                guard let base = options.baseAddress else { return nil }
                return unsafe withVaList([MHD_OPTION.ARRAY.rawValue, base, MHD_OPTION.END.rawValue])
                {
                    unsafe MHD_start_daemon_va(
                        flags, configuration.port, nil, nil, Callbacks.access, me.toOpaque(), $0)
                }
            }
        }
        guard let made = unsafe made else {
            let code = errno
            keeper.stop()
            unsafe me.release()
            throw configuration.cannotListen(code)
        }
        let running = unsafe DaemonHandle(pointer: made)
        daemon.withLock { $0 = running }
        return unsafe cmhd_bound_port(made)
    }

    private func options() -> [MHD_OptionItem] {
        let me = unsafe Unmanaged.passUnretained(self).toOpaque()
        func number(_ option: MHD_OPTION, _ value: Int) -> MHD_OptionItem {
            unsafe MHD_OptionItem(option: option, value: value, ptr_value: nil)
        }
        func callback(_ option: MHD_OPTION, _ function: UnsafeRawPointer) -> MHD_OptionItem {
            unsafe MHD_OptionItem(option: option, value: Int(bitPattern: function), ptr_value: me)
        }
        return unsafe [
            number(.CONNECTION_TIMEOUT, inactivitySecondsMax),
            number(.CONNECTION_LIMIT, configuration.connectionsMax),
            number(.CONNECTION_MEMORY_LIMIT, Self.connectionBytes),
            number(.CONNECTION_MEMORY_INCREMENT, 4096),
            // Not strict: what strictness refuses, `Framing` refuses as well and with a whole answer,
            // where libmicrohttpd sends the head of its own one twice, or none at all.
            callback(
                .NOTIFY_COMPLETED,
                unsafeBitCast(Callbacks.completed, to: UnsafeRawPointer.self)),
            callback(
                .NOTIFY_CONNECTION,
                unsafeBitCast(Callbacks.connection, to: UnsafeRawPointer.self)),
            callback(
                .URI_LOG_CALLBACK, unsafeBitCast(Callbacks.target, to: UnsafeRawPointer.self)),
            callback(
                .UNESCAPE_CALLBACK, unsafeBitCast(Callbacks.unescape, to: UnsafeRawPointer.self)),
        ]
    }

    /// Stops: no new connections, every request under way is answered and its connection closed.
    ///
    /// Answers whether all could finish in time; those that could not were answered 503.
    public func drain(within limit: Duration) async -> Bool {
        // The first call stops the server; another one has nothing to do.
        let running = daemon.withLock { daemon in
            defer { daemon = nil }
            return daemon
        }
        guard let taken = unsafe running?.pointer else { return true }
        traffic.withLock { $0.phase = .draining }
        let listener = unsafe MHD_quiesce_daemon(taken)
        if listener >= 0 { close(listener) }
        await waitUntilIdle(within: limit)
        // From here no handler starts; a request between the two moments is found here.
        let late = traffic.withLock { traffic in
            traffic.phase = .stopping
            return Array(traffic.exchanges.values)
        }
        for exchange in late { finish(exchange, renderFailure(.stopping)) }
        await waitUntilIdle(within: .seconds(5))
        keeper.stop()
        unsafe MHD_stop_daemon(taken)
        unsafe Unmanaged.passUnretained(self).release()
        return late.isEmpty
    }

    /// Returns when no request is under way, or at the limit.
    func waitUntilIdle(within limit: Duration) async {
        let deadline = ContinuousClock.now + limit
        let timer = Task {
            try await Task.sleep(until: deadline, clock: .continuous)
            wakeWaiters()
        }
        await withCheckedContinuation { continuation in
            let isOver = traffic.withLock { traffic in
                // A timer that has rung already rings for nobody who comes later.
                if traffic.exchanges.isEmpty || ContinuousClock.now >= deadline { return true }
                traffic.waiters.append(continuation)
                return false
            }
            if isOver { continuation.resume() }
        }
        timer.cancel()
    }

    func wakeWaiters() {
        let waiters = traffic.withLock { traffic in
            let waiters = traffic.waiters
            traffic.waiters = []
            return waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Hands the answer over and wakes the connection; the first answer counts.
    func finish(_ exchange: Exchange, _ response: ServerResponse) {
        let connection = exchange.progress.withLock { progress -> ConnectionHandle? in
            guard case .running = progress else { return nil }
            progress = .answered(response)
            return exchange.connection
        }
        // Suspended connections are not freed, and a running one is suspended.
        if let connection { unsafe MHD_resume_connection(connection.pointer) }
    }
}
