import CMicrohttpd
import Glibc
import HTTPTypes

/// An HTTP/1.1 server: libmicrohttpd on its own thread, handlers as tasks on a given executor.
///
/// A request is received whole, its connection suspended, and its handler started; the handler's
/// answer resumes the connection, and is queued on libmicrohttpd's own thread.
public final class Server: @unchecked Sendable {
    // Unchecked: `daemon` is written once before `start` returns; all else is constant or guarded.
    let configuration: ServerConfiguration
    let executor: (any TaskExecutor)?
    let renderFailure: @Sendable (ProtocolFailure) -> ServerResponse
    let handler: Handler
    let keeper = DeadlineKeeper()
    let traffic = Guarded(Traffic())
    private var daemon: OpaquePointer?

    struct Traffic {
        var exchanges: [ObjectIdentifier: Exchange] = [:]
        var isDraining = false
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
    }

    /// How many requests are being answered.
    public var requestsInFlight: Int { traffic.with { $0.exchanges.count } }

    /// Begins to listen, and answers the port.
    public func start() throws(ServerError) -> UInt16 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = configuration.port.bigEndian
        guard inet_pton(AF_INET, configuration.host, &address.sin_addr) == 1 else {
            throw .badAddress(configuration.host)
        }
        signal(SIGPIPE, SIG_IGN)
        var options = self.options()
        let flags =
            MHD_USE_EPOLL_INTERNAL_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue
        errno = 0
        daemon = withUnsafeMutableBytes(of: &address) { address in
            options.append(
                MHD_OptionItem(option: .SOCK_ADDR, value: 0, ptr_value: address.baseAddress))
            options.append(MHD_OptionItem(option: .END, value: 0, ptr_value: nil))
            return options.withUnsafeMutableBufferPointer { options -> OpaquePointer? in
                guard let base = options.baseAddress else { return nil }
                return withVaList([MHD_OPTION.ARRAY.rawValue, base, MHD_OPTION.END.rawValue]) {
                    MHD_start_daemon_va(
                        flags, configuration.port, nil, nil, Callbacks.access,
                        Unmanaged.passUnretained(self).toOpaque(), $0)
                }
            }
        }
        guard let daemon else {
            let reason = errno == 0 ? "libmicrohttpd refused" : String(cString: strerror(errno))
            throw .cannotListen(
                host: configuration.host, port: configuration.port, reason: reason)
        }
        keeper.start()
        return cmhd_bound_port(daemon)
    }

    private func options() -> [MHD_OptionItem] {
        let me = Unmanaged.passUnretained(self).toOpaque()
        func number(_ option: MHD_OPTION, _ value: Int) -> MHD_OptionItem {
            MHD_OptionItem(option: option, value: value, ptr_value: nil)
        }
        func callback(_ option: MHD_OPTION, _ function: UnsafeRawPointer) -> MHD_OptionItem {
            MHD_OptionItem(option: option, value: Int(bitPattern: function), ptr_value: me)
        }
        return [
            // The own deadlines are the ones that count; this one is a net below them.
            number(.CONNECTION_TIMEOUT, 300),
            number(.CONNECTION_LIMIT, configuration.connectionsMax),
            number(.CONNECTION_MEMORY_LIMIT, configuration.headerBytesMax),
            number(.CONNECTION_MEMORY_INCREMENT, 4096),
            number(.STRICT_FOR_CLIENT, 1),
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
    /// Answers whether all could finish in time; those that could not were answered 503.
    public func drain(within limit: Duration) async -> Bool {
        guard let daemon else { return true }
        traffic.with { $0.isDraining = true }
        let listener = MHD_quiesce_daemon(daemon)
        if listener >= 0 { close(listener) }
        let wasClean = await becomesIdle(within: limit)
        if !wasClean {
            // Stopping with suspended connections is against libmicrohttpd's rules.
            for exchange in traffic.with({ Array($0.exchanges.values) }) {
                finish(exchange, renderFailure(.stopping))
            }
            _ = await becomesIdle(within: .seconds(5))
        }
        keeper.stop()
        MHD_stop_daemon(daemon)
        self.daemon = nil
        return wasClean
    }

    private func becomesIdle(within limit: Duration) async -> Bool {
        let timer = Task {
            try await Task.sleep(for: limit)
            wakeWaiters()
        }
        await withCheckedContinuation { continuation in
            let isIdle = traffic.with { traffic in
                if traffic.exchanges.isEmpty { return true }
                traffic.waiters.append(continuation)
                return false
            }
            if isIdle { continuation.resume() }
        }
        timer.cancel()
        return traffic.with { $0.exchanges.isEmpty }
    }

    func wakeWaiters() {
        let waiters = traffic.with { traffic in
            let waiters = traffic.waiters
            traffic.waiters = []
            return waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Hands the answer over and wakes the connection; the first answer counts.
    func finish(_ exchange: Exchange, _ response: ServerResponse) {
        let connection = exchange.progress.with { progress -> ConnectionHandle? in
            guard case .running = progress else { return nil }
            progress = .answered(response)
            return exchange.connection
        }
        // Suspended connections are not freed, and a running one is suspended.
        if let connection { MHD_resume_connection(connection.pointer) }
    }
}
