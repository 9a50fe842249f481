import CLibpq
import EventLoop

extension PostgresConnection {
    /// Closes the connection; calls under way end with `connectionLost`.
    ///
    /// Harmless if repeated. The server ends the session when it next reads or writes: a running command may
    /// run to its end.
    package func close() {
        end(
            .closed,
            calls: .connectionLost("the connection was closed while commands were under way"))
    }

    /// Ends a connection that broke, for the reason that the server or libpq gives.
    func lose() {
        guard let handle = unsafe handle else { return }
        lose(unsafe ServerText.lines(PQerrorMessage(handle)))
    }

    /// Ends a connection that broke.
    func lose(_ reason: String) {
        let words = lastWords.map { "\($0)" } ?? (reason.isEmpty ? "no reason is known" : reason)
        end(.connectionLost(words), calls: .connectionLost(words))
    }

    /// The time of a call is up.
    func timeOut(_ call: Call) {
        end(
            .timedOut, calls: .connectionLost("closed, since a command before had timed out"),
            timedOut: call)
    }

    /// Ends the connection and every call under way.
    ///
    /// Completions come last: they see a connection that is closed and that its pool has given up, so
    /// whatever they do with it has no effect.
    private func end(
        _ error: PostgresError, calls failure: PostgresError, timedOut: Call? = nil
    ) {
        guard let handle = unsafe handle else { return }
        unsafe self.handle = nil
        loop.unwatch(descriptor)
        unsafe PQfinish(handle)
        outstanding = 0
        timer?.cancel()
        timer = nil
        let sent = calls.removeAll()
        let unsent = held
        held = []
        let listeners = [onCloseInPool, onClose]
        (onCloseInPool, onClose, onNotification) = (nil, nil, nil)
        for listener in listeners { listener?(error) }
        timedOut?.finish(.failure(.timedOut))
        for call in sent { call.finish(.failure(failure)) }
        for (call, _) in unsent { call.finish(.failure(.closed)) }
    }
}

extension PostgresConnection {
    /// How long ``requestCancel()`` waits for the request to be delivered.
    private static let cancelTimeout = Duration.seconds(5)

    /// Asks the server to cancel what the session is running; harmless if nothing is.
    ///
    /// The cancelled command, unless it ends first, fails with 57014; it may be any of the commands under
    /// way. Commands sent after this call wait until the request is delivered, so it cannot hit them. If
    /// the server leaves earlier requests unanswered, none is sent.
    ///
    /// - Parameter completion: called once, on the loop: when the request is delivered, or after 5 s;
    ///   before this function returns if no request is sent.
    package func requestCancel(then completion: @escaping @LoopActor () -> Void) {
        guard outstanding > 0 else { return completion() }
        let waiter = Waiter<Void> { _ in completion() }
        waiter.timer = loop.schedule(after: Self.cancelTimeout) { waiter.finish(.success(())) }
        startCancel { waiter.finish(.success(())) }
    }

    /// Asks the server to cancel what the session is running, and returns when the request is delivered;
    /// see ``requestCancel(then:)``.
    package func requestCancel() async {
        await withCheckedContinuation { done in requestCancel { done.resume() } }
    }

    /// The limits of a call are reached: the rest of the rows would be sent for nothing.
    func cancelExcess(of call: Call) {
        // If other calls follow, the request could hit them instead.
        guard cancelsUnderWay == 0, calls.hasOne else { return }
        startCancel {}
    }

    private func startCancel(_ completion: @escaping @LoopActor @Sendable () -> Void) {
        guard let handle = unsafe handle else { return completion() }
        let server = unsafe CancelTraffic.server(of: handle)
        guard CancelTraffic.hasRoom(server), let cancel = unsafe PQgetCancel(handle) else {
            return completion()
        }
        cancelsUnderWay += 1
        CancelTraffic.underWay[server, default: 0] += 1
        let request = unsafe CancelRequest(cancel)
        BlockingCall.start(in: .unbounded, for: loop) {
            request.send()
        } then: { [weak self] in
            CancelTraffic.end(server)
            // The postmaster closes the socket only after it has signalled the session, and a
            // signalled session that is idle ignores the request.
            if let self {
                self.cancelsUnderWay -= 1
                if self.cancelsUnderWay == 0 { self.releaseHeld() }
            }
            completion()
        }
    }
}

/// How many cancel requests are on their way to each server.
///
/// PQcancel has no timeout: a server that accepts connections and does not answer keeps its caller
/// waiting. A few requests may wait there and further ones are dropped, since nothing relies on a cancel;
/// so no frozen server takes all the threads that cancel at other servers.
@LoopActor
private enum CancelTraffic {
    static var underWay: [String: Int] = [:]
    private static let perServerMax = 3

    static func server(of handle: OpaquePointer) -> String {
        let parts = unsafe [PQhost(handle), PQhostaddr(handle), PQport(handle)]
        return unsafe parts.map { unsafe $0.map { unsafe String(cString: $0) } ?? "" }
            .joined(separator: " ")
    }

    static func hasRoom(_ server: String) -> Bool { underWay[server, default: 0] < perServerMax }

    static func end(_ server: String) {
        let left = underWay[server, default: 1] - 1
        underWay[server] = left > 0 ? left : nil
    }
}

/// A PGcancel, which is a copy of what a cancel needs to know.
///
/// `@unchecked Sendable` is safe because it is immutable, and PQcancel may be called on any thread.
@safe
private final class CancelRequest: @unchecked Sendable {
    private let cancel: OpaquePointer

    init(_ cancel: OpaquePointer) {
        unsafe self.cancel = cancel
    }

    deinit {
        unsafe PQfreeCancel(cancel)
    }

    /// Blocks until the server has received the request, or cannot be reached.
    func send() {
        // After a failure the session is probably gone; its connection will report that.
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            _ = unsafe PQcancel(cancel, buffer.baseAddress, Int32(buffer.count))
        }
    }
}
