import EventLoop
import Glibc

/// Cuts clients that drip: libmicrohttpd's own timeout is for inactivity only, and a byte a second
/// would hold a connection for ever.
///
/// A cut is a `shutdown` of the socket under the lock that also guards its removal, so a number
/// that was closed and given to somebody else is never cut.
final class DeadlineKeeper: Sendable {
    private struct Entry {
        let deadline: ContinuousClock.Instant
        /// What is sent before the cut: whole answers, and only while no other one can be under way.
        let timeoutResponse: Farewell?
    }

    private let entries = Lock<[Int32: Entry]>([:])
    private let thread = Lock<pthread_t?>(nil)
    private let alarm = Alarm()
    /// A deadline is kept to within this.
    private let tickNanoseconds = 100_000_000

    /// Starts the thread; answers what `pthread_create` did, 0 if all is well.
    func start() -> Int32 {
        let context = unsafe Unmanaged.passRetained(self)
        var handle = pthread_t()
        let result = unsafe pthread_create(
            &handle, nil,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<DeadlineKeeper>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, unsafe context.toOpaque())
        guard result == 0 else {
            unsafe context.release()
            return result
        }
        thread.withLock { $0 = handle }
        return 0
    }

    /// Replaces the socket's deadline; at its end the farewell is sent, as far as it can be at once.
    func set(_ socket: Int32, within duration: Duration, timeoutResponse: Farewell? = nil) {
        let entry = Entry(
            deadline: ContinuousClock.now + duration, timeoutResponse: timeoutResponse)
        entries.withLock { $0[socket] = entry }
    }

    /// Sets what is sent at the end of the deadline that the socket has, if it has one.
    func setTimeoutResponse(_ socket: Int32, _ timeoutResponse: Farewell) {
        entries.withLock { entries in
            guard let entry = entries[socket] else { return }
            entries[socket] = Entry(deadline: entry.deadline, timeoutResponse: timeoutResponse)
        }
    }

    func remove(_ socket: Int32) {
        entries.withLock { _ = $0.removeValue(forKey: socket) }
    }

    /// Cuts a socket now, which has to be the caller's own and open; again, it does nothing.
    func cut(_ socket: Int32, timeoutResponse: Farewell) {
        entries.withLock { entries in
            Self.cut(socket, timeoutResponse: timeoutResponse)
            entries[socket] = nil
        }
    }

    /// Wakes the thread and waits for its end.
    func stop() {
        alarm.ring()
        let ending = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        if let ending { pthread_join(ending, nil) }
    }

    private func run() {
        while !alarm.waits(nanoseconds: tickNanoseconds) {
            let now = ContinuousClock.now
            entries.withLock { entries in
                for (socket, entry) in entries where entry.deadline <= now {
                    Self.cut(socket, timeoutResponse: entry.timeoutResponse)
                    entries[socket] = nil
                }
            }
        }
    }

    private static func cut(_ socket: Int32, timeoutResponse: Farewell?) {
        if let timeoutResponse {
            _ = unsafe timeoutResponse.bytes.withUnsafeBytes { bytes in
                unsafe send(
                    socket, bytes.baseAddress, bytes.count,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
        }
        shutdown(socket, Int32(SHUT_RDWR))
    }
}
