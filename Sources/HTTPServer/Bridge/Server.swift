import CMicrohttpd
package import EventLoop
import Glibc
import HTTPTypes

/// An HTTP/1.1 server: libmicrohttpd on its own thread, handlers on the event loop.
///
/// It receives a request whole, suspends its connection and calls its handler. The handler's
/// response resumes the connection, and libmicrohttpd's own thread queues it.
@safe package final class Server: @unchecked Sendable {
    // Unchecked because of `targetStart`, which only libmicrohttpd's one thread touches.
    let configuration: ServerConfiguration
    let deadlines: ConnectionDeadlines
    /// The response to a target that holds a NUL with arguments after it.
    let brokenTargetResponse: RawResponse
    /// The address of the target in the request line that libmicrohttpd is reading.
    var targetStart = 0
    let loop: EventLoop
    let renderFailure: @Sendable (ProtocolFailure) -> ServerResponse
    let handler: Handler
    let traffic = Lock(Traffic())
    /// libmicrohttpd's own limit of inactivity, longer than every deadline kept here.
    let inactivitySecondsMax: Int
    /// libmicrohttpd's memory for one connection: the head, 64 bytes for each of its fields, and the
    /// head of the response.
    private static let connectionBytes = 32_768
    private let daemon = Lock<Handle?>(nil)

    enum Phase {
        case serving
        /// Responses close their connections.
        case draining
        /// No handler starts any more: libmicrohttpd must not be stopped while a connection is
        /// suspended.
        case stopping
    }

    /// What both threads see: the requests that are being answered, and how far each is.
    struct Traffic {
        private(set) var exchanges: [Exchange] = []
        /// Requests of which libmicrohttpd has read the target, and not seen the end.
        var openCount = 0
        var phase = Phase.serving
        /// Each is woken with false, and looks again.
        var waiters: [CheckedContinuation<Bool, Never>] = []

        mutating func insert(_ exchange: Exchange) {
            exchange.place = exchanges.count
            exchanges.append(exchange)
        }

        mutating func remove(_ exchange: Exchange) {
            // The last one takes its place.
            let last = exchanges.removeLast()
            guard last !== exchange else { return }
            exchanges[exchange.place] = last
            last.place = exchange.place
        }
    }

    /// Makes a server; nothing listens yet.
    package init(
        configuration: ServerConfiguration, loop: EventLoop,
        renderFailure: @escaping @Sendable (ProtocolFailure) -> ServerResponse,
        handler: @escaping Handler
    ) {
        self.configuration = configuration
        self.loop = loop
        self.renderFailure = renderFailure
        self.handler = handler
        // Only libmicrohttpd's thread may write to a TLS session.
        deadlines = ConnectionDeadlines(
            timeoutResponse: configuration.certificate == nil
                ? RawResponse(renderFailure(.requestTimedOut)) : nil)
        brokenTargetResponse = RawResponse(renderFailure(.badRequest(Framing.gap)))
        let longest = max(
            configuration.headerTimeout, configuration.bodyTimeout, configuration.responseTimeout)
        inactivitySecondsMax = max(300, Int(longest.components.seconds) + 2)
    }

    /// How many requests are being answered.
    package var requestsInFlight: Int { traffic.withLock { $0.exchanges.count } }

    /// Begins to listen, and returns the port.
    ///
    /// A server starts once, and serves until it is drained.
    package func start() throws(ServerError) -> UInt16 {
        let address = try configuration.address()
        signal(SIGPIPE, SIG_IGN)
        var options = unsafe self.options()
        var flags = MHD_USE_EPOLL_INTERNAL_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue
        if address.family == AF_INET6 { flags |= MHD_USE_IPv6.rawValue }
        if address.isEveryAddress { flags |= MHD_USE_DUAL_STACK.rawValue }
        if configuration.certificate != nil { flags |= MHD_USE_TLS.rawValue }
        let started = deadlines.start()
        guard started == 0 else { throw configuration.cannotListen(started) }
        // libmicrohttpd calls back until it is stopped.
        let me = unsafe Unmanaged.passRetained(self)
        errno = 0
        let made = unsafe address.withSocketAddress(port: configuration.port) { address, _ in
            unsafe options.append(
                MHD_OptionItem(option: .SOCK_ADDR, value: 0, ptr_value: address))
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
            deadlines.stop()
            unsafe me.release()
            throw configuration.cannotListen(code)
        }
        let handle = unsafe Handle(pointer: made)
        daemon.withLock { $0 = handle }
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
        let certificate = unsafe configuration.certificate == nil ? [] : ServerCertificate.options
        return unsafe certificate + [
            number(.CONNECTION_TIMEOUT, inactivitySecondsMax),
            number(.CONNECTION_LIMIT, configuration.connectionsMax),
            number(.CONNECTION_MEMORY_LIMIT, Self.connectionBytes),
            number(.CONNECTION_MEMORY_INCREMENT, 4096),
            // Not strict: `Framing` refuses the same, with a whole response, where libmicrohttpd
            // sends the head of its own one twice, or none at all.
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

    /// Stops: accepts no new connections, answers every request under way and closes its
    /// connection; streams end.
    ///
    /// Returns whether all could finish in time; those that could not got 503.
    package func drain(within limit: Duration) async -> Bool {
        // The first call stops the server; another one has nothing to do.
        let taken = daemon.withLock { daemon in
            defer { daemon = nil }
            return daemon
        }
        guard let taken else { return true }
        let streams = traffic.withLock { traffic in
            traffic.phase = .draining
            return traffic.exchanges.compactMap(\.stream)
        }
        for stream in streams { stream.finish() }
        let listener = unsafe MHD_quiesce_daemon(taken.pointer)
        if listener >= 0 { close(listener) }
        await waitUntilIdle(within: limit)
        // From here on no handler starts; `late` holds every request that has one.
        let late = traffic.withLock { traffic in
            traffic.phase = .stopping
            return traffic.exchanges
        }
        for exchange in late { finish(exchange, renderFailure(.stopping)) }
        await waitUntilIdle(within: .seconds(5))
        // libmicrohttpd crashes if it is stopped while it writes a response of its own, to a request that
        // it cannot read. So requests that are being read get a moment to end.
        await wait(within: .seconds(1)) { $0.openCount == 0 }
        deadlines.stop()
        unsafe MHD_stop_daemon(taken.pointer)
        unsafe Unmanaged.passUnretained(self).release()
        return late.isEmpty
    }

    /// Returns when no request is under way, or at the limit.
    func waitUntilIdle(within limit: Duration) async {
        await wait(within: limit) { $0.exchanges.isEmpty }
    }

    /// Returns when the end of a request has made this true, or at the limit.
    private func wait(
        within limit: Duration, until isOver: @Sendable (Traffic) -> Bool
    ) async {
        let deadline = ContinuousClock.now + limit
        let timer = Task {
            try await Task.sleep(until: deadline, clock: .continuous)
            wakeWaiters()
        }
        var isDone = false
        while !isDone {
            isDone = await withCheckedContinuation { continuation in
                let isOver = traffic.withLock { traffic in
                    // A timer that has fired already wakes no waiter that is added later.
                    if isOver(traffic) || ContinuousClock.now >= deadline { return true }
                    traffic.waiters.append(continuation)
                    return false
                }
                if isOver { continuation.resume(returning: true) }
            }
        }
        timer.cancel()
    }

    func wakeWaiters() {
        let waiters = traffic.withLock { traffic in
            let waiters = traffic.waiters
            traffic.waiters = []
            return waiters
        }
        for waiter in waiters { waiter.resume(returning: false) }
    }

    /// Hands the response over and resumes the connection; the first response counts.
    func finish(_ exchange: Exchange, _ response: ServerResponse) {
        let connection = traffic.withLock { _ -> Handle? in
            guard case .running = exchange.progress else { return nil }
            exchange.progress = .answered(response)
            return exchange.connection
        }
        guard let connection else {
            // Another answer came first.
            response.stream?.end()
            return
        }
        // A running connection is suspended, and libmicrohttpd frees no suspended connection.
        unsafe MHD_resume_connection(connection.pointer)
    }
}
