import CLibpq
import EventLoop

/// One attempt to connect to one server, bounded in time.
@safe
@LoopActor
final class ConnectionAttempt {
    private let loop: EventLoop
    private let timeout: Duration
    private let statementsMax: Int
    private var handle: OpaquePointer?
    private var watched: Int32?
    private var timer: LoopTimer?
    private var completion: ((Result<PostgresConnection, PostgresError>) -> Void)?

    init(timeout: Duration, statementsMax: Int, loop: EventLoop) {
        self.loop = loop
        self.timeout = timeout
        self.statementsMax = statementsMax
    }

    /// Calls the completion exactly once, at the latest when the time is up.
    func start(
        _ options: ConnectionOptions,
        _ completion: @escaping (Result<PostgresConnection, PostgresError>) -> Void
    ) {
        self.completion = completion
        timer = loop.schedule(after: timeout) {
            self.fail(.unreachable("no connection to \(options) within \(self.timeout)"))
        }
        open(options)
    }

    private func open(_ options: ConnectionOptions) {
        let pairs = options.values.sorted { $0.key < $1.key }
        unsafe handle = withCStrings(pairs.map(\.key)) { keys in
            unsafe withCStrings(pairs.map(\.value)) { values in
                unsafe PQconnectStartParams(keys, values, 0)
            }
        }
        guard let handle = unsafe handle else { return fail(.unreachable("out of memory")) }
        // Otherwise libpq would print notices to standard error.
        unsafe PQsetNoticeReceiver(handle, { _, _ in }, nil)
        // libpq gives the code of a refusal only as a part of its verbose text.
        unsafe PQsetErrorVerbosity(handle, PQERRORS_VERBOSE)
        guard unsafe PQstatus(handle) != CONNECTION_BAD else { return failAsLibpqSays() }
        expect(.write)
    }

    private func advance() {
        guard let handle = unsafe handle else { return }
        // PQconnectPoll may close the socket and open another, even under the same number. Epoll
        // forgets a closed socket by itself, and would not know the new one.
        unwatch()
        switch unsafe PQconnectPoll(handle) {
        case PGRES_POLLING_READING: expect(.read)
        case PGRES_POLLING_WRITING: expect(.write)
        case PGRES_POLLING_OK: succeed()
        default: failAsLibpqSays()
        }
    }

    private func expect(_ readiness: Readiness) {
        guard let handle = unsafe handle else { return }
        let descriptor = unsafe PQsocket(handle)
        do {
            try loop.watch(descriptor, for: readiness) { _ in self.advance() }
            watched = descriptor
        } catch {
            fail(.unreachable("\(error)"))
        }
    }

    private func unwatch() {
        if let watched { loop.unwatch(watched) }
        watched = nil
    }

    private func succeed() {
        guard let handle = unsafe handle, let completion else { return }
        unsafe PQsetErrorVerbosity(handle, PQERRORS_DEFAULT)
        unsafe self.handle = nil
        finish()
        completion(
            unsafe PostgresConnection.adopt(handle, statementsMax: statementsMax, loop: loop))
    }

    private func failAsLibpqSays() {
        guard let handle = unsafe handle else { return }
        let text = unsafe PQerrorMessage(handle)
        let start = unsafe text.map { unsafe ServerText.string($0, max: ServerText.textBytesMax) }
        if let message = start.flatMap(Self.refusal(in:)) {
            fail(.refused(message))
        } else {
            fail(.unreachable(unsafe ServerText.lines(text)))
        }
    }

    /// Gives the attempt up, unless it has ended.
    func fail(_ error: PostgresError) {
        guard let completion else { return }
        finish()
        completion(.failure(error))
    }

    private func finish() {
        unwatch()
        timer?.cancel()
        timer = nil
        completion = nil
        if let handle = unsafe handle { unsafe PQfinish(handle) }
        unsafe handle = nil
    }

    /// The server's own words in libpq's verbose text: `... FATAL:  28P01: password ...`.
    ///
    /// With several hosts, each leaves its lines; the last server that spoke is the one quoted.
    static func refusal(in text: String) -> ServerMessage? {
        for line in text.split(separator: "\n").reversed() {
            let parts = line.split(separator: ":  ", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let code = parts[1].prefix(5)
            let rest = parts[1].dropFirst(5)
            guard code.utf8.count == 5, rest.hasPrefix(": "),
                code.utf8.allSatisfy(\.isCodeCharacter)
            else { continue }
            let severity = parts[0].split(separator: " ").last.map(String.init) ?? "FATAL"
            return ServerMessage(
                severity: severity, state: SQLState(rawValue: String(code)),
                message: String(rest.dropFirst(2)))
        }
        return nil
    }
}

extension UInt8 {
    /// A digit or a capital letter, of which SQLSTATEs are made.
    fileprivate var isCodeCharacter: Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self)
            || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self)
    }
}
