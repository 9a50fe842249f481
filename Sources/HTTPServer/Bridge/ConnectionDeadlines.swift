import EventLoop
import Glibc

/// Closes connections at their deadlines, on a thread of its own.
///
/// libmicrohttpd's own timeout is for inactivity only, so a client that sends a byte a second would
/// hold a connection for ever. To close is a `shutdown` of the socket under the lock that also
/// guards its removal, so a descriptor that was closed and reused is never shut down.
final class ConnectionDeadlines: Sendable {
    private struct Entry {
        let deadline: ContinuousClock.Instant
        /// Whether to send the response first; only while no other response can be under way.
        var sendsTimeoutResponse: Bool
    }

    /// By descriptor, which the kernel keeps small.
    private let entries = Lock<[Entry?]>([])
    private let timeoutResponse: RawResponse?
    private let thread = Lock<pthread_t?>(nil)
    private let stopSignal = Signal()
    /// A connection is closed at most this long after its deadline.
    private let tickNanoseconds = 100_000_000

    /// Makes deadlines that send this response, if any, to a request that does not arrive whole in time.
    init(timeoutResponse: RawResponse?) {
        self.timeoutResponse = timeoutResponse
    }

    /// Starts the thread; returns what `pthread_create` did, 0 if all is well.
    func start() -> Int32 {
        let context = unsafe Unmanaged.passRetained(self)
        var handle = pthread_t()
        let result = unsafe pthread_create(
            &handle, nil,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<ConnectionDeadlines>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, unsafe context.toOpaque())
        guard result == 0 else {
            unsafe context.release()
            return result
        }
        thread.withLock { $0 = handle }
        return 0
    }

    /// Replaces the socket's deadline, and says whether the response is sent at it, as far as that is
    /// possible at once.
    func set(_ socket: Int32, within duration: Duration, sendsTimeoutResponse: Bool = false) {
        let entry = Entry(
            deadline: ContinuousClock.now + duration, sendsTimeoutResponse: sendsTimeoutResponse)
        guard socket >= 0 else { return }
        entries.withLock { entries in
            let index = Int(socket)
            while entries.count <= index { entries.append(nil) }
            entries[index] = entry
        }
    }

    /// Has the response sent at the deadline of the socket, if it has one.
    func sendTimeoutResponse(to socket: Int32) {
        entries.withLock { entries in
            guard entries.indices.contains(Int(socket)) else { return }
            entries[Int(socket)]?.sendsTimeoutResponse = true
        }
    }

    /// Removes the socket's deadline.
    func remove(_ socket: Int32) {
        entries.withLock { Self.remove(socket, from: &$0) }
    }

    private static func remove(_ socket: Int32, from entries: inout [Entry?]) {
        if entries.indices.contains(Int(socket)) { entries[Int(socket)] = nil }
    }

    /// Sends a response and closes a socket now, which must be the caller's own and open; called
    /// again, it does nothing.
    ///
    /// - Parameter session: the connection's TLS session, if it has one; only its own thread may call then.
    func close(
        _ socket: Int32, sending response: RawResponse, over session: UnsafeMutableRawPointer?
    ) {
        entries.withLock { entries in
            if let session = unsafe session {
                unsafe ServerCertificate.send(response.bytes, over: session)
                Self.shutDown(socket, sending: nil)
            } else {
                Self.shutDown(socket, sending: response)
            }
            Self.remove(socket, from: &entries)
        }
    }

    /// Stops the thread and waits for its end.
    func stop() {
        stopSignal.send()
        let handle = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        if let handle { pthread_join(handle, nil) }
    }

    private func run() {
        while !stopSignal.wait(nanoseconds: tickNanoseconds) {
            let now = ContinuousClock.now
            entries.withLock { entries in
                for index in entries.indices {
                    guard let entry = entries[index], entry.deadline <= now else { continue }
                    Self.shutDown(
                        Int32(index), sending: entry.sendsTimeoutResponse ? timeoutResponse : nil)
                    entries[index] = nil
                }
            }
        }
    }

    private static func shutDown(_ socket: Int32, sending response: RawResponse?) {
        if let response {
            _ = unsafe response.bytes.withUnsafeBytes { bytes in
                unsafe send(
                    socket, bytes.baseAddress, bytes.count,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
        }
        shutdown(socket, Int32(SHUT_RDWR))
    }
}

/// A signal that is sent once, and that a thread can wait for with a limit.
@safe private final class Signal: @unchecked Sendable {
    // Unchecked, because the mutex makes it true: `isSent` is touched under it only.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var isSent = false

    init() {
        unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        // A clock that cannot be set: a wait neither ends early nor lasts for ever.
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    func send() {
        unsafe pthread_mutex_lock(mutex)
        isSent = true
        unsafe pthread_cond_broadcast(condition)
        unsafe pthread_mutex_unlock(mutex)
    }

    /// Waits for the signal; returns whether it was sent.
    func wait(nanoseconds: Int) -> Bool {
        var deadline = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &deadline)
        let total = deadline.tv_nsec + nanoseconds
        deadline.tv_sec += total / 1_000_000_000
        deadline.tv_nsec = total % 1_000_000_000
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while !isSent {
            if unsafe pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { break }
        }
        return isSent
    }
}
