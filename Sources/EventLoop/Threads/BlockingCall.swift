import CLinux

/// Calls that block (name resolution, `PQcancel`), run on a few helper threads.
///
/// They must run neither on the loop, where they would block every connection, nor on Swift's cooperative
/// pool, which has as many threads as the machine has cores and hangs when all of them block.
package enum BlockingCall {
    /// Threads there are at most in a lane; more calls than that wait their turn.
    package static let threadsMax = 8

    /// A group of calls that may have to wait for one another.
    package enum Lane: Sendable {
        /// Calls with a timeout of their own, such as name resolution.
        case bounded
        /// Calls that may hang as long as another machine does not answer, such as `PQcancel`.
        case unbounded

        fileprivate var threads: HelperThreads {
            switch self {
            case .bounded: .bounded
            case .unbounded: .unbounded
            }
        }
    }

    /// Runs a body on a helper thread and returns what it returns.
    ///
    /// Cancelling the task does not interrupt the call. For a bound use ``start(in:for:_:then:)`` together with
    /// a timer, and ignore a late result.
    package static func run<Result: Sendable>(
        in lane: Lane = .bounded, _ body: @Sendable @escaping () -> Result
    ) async -> Result {
        await withCheckedContinuation { continuation in
            lane.threads.submit { continuation.resume(returning: body()) }
        }
    }

    /// Runs a body on a helper thread, then hands its result to `completion` on the loop.
    package static func start<Result: Sendable>(
        in lane: Lane = .bounded, for loop: EventLoop, _ body: @Sendable @escaping () -> Result,
        then completion: @LoopActor @Sendable @escaping (Result) -> Void
    ) {
        lane.threads.submit {
            let result = body()
            loop.execute { completion(result) }
        }
    }
}

/// The helper threads, started on demand and kept until the process ends.
///
/// `@unchecked Sendable` is safe because every stored variable is touched with `mutex` held.
@safe
final class HelperThreads: @unchecked Sendable {
    static let bounded: HelperThreads = unsafe HelperThreads { _ in HelperThreads.bounded.serve() }
    static let unbounded: HelperThreads = unsafe HelperThreads { _ in
        HelperThreads.unbounded.serve()
    }

    /// Name service modules are generous with stack; the default of 8 MiB is not needed either.
    private static let stackBytes = 1 << 20

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let workArrived: UnsafeMutablePointer<pthread_cond_t>
    private var queue: [@Sendable () -> Void] = []
    private var threadCount = 0
    private var idleCount = 0
    private let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer?

    /// A thread's main function is a C function and carries nothing with it: each lane has its own.
    private init(
        main: @escaping @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer?
    ) {
        unsafe self.main = main
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe pthread_mutex_init(mutex, nil)
        unsafe workArrived = .allocate(capacity: 1)
        unsafe workArrived.initialize(to: pthread_cond_t())
        unsafe pthread_cond_init(workArrived, nil)
    }

    func submit(_ work: @escaping @Sendable () -> Void) {
        unsafe pthread_mutex_lock(mutex)
        queue.append(work)
        // An idle thread may be about to take an earlier entry: there must be as many idle threads as
        // entries.
        if queue.count > idleCount, threadCount < BlockingCall.threadsMax, startThread() {
            threadCount += 1
        }
        // Without a single thread the entry would never run. Running it here blocks the caller, which is
        // slow, and correct.
        let stranded = threadCount == 0 ? queue.popLast() : nil
        unsafe pthread_cond_signal(workArrived)
        unsafe pthread_mutex_unlock(mutex)
        stranded?()
    }

    private func startThread() -> Bool {
        var thread = pthread_t()
        return unsafe clinux_start_thread(
            &thread, Self.stackBytes, main) == 0
    }

    private func serve() -> Never {
        unsafe pthread_mutex_lock(mutex)
        while true {
            while queue.isEmpty {
                idleCount += 1
                unsafe pthread_cond_wait(workArrived, mutex)
                idleCount -= 1
            }
            let work = queue.removeFirst()
            unsafe pthread_mutex_unlock(mutex)
            work()
            unsafe pthread_mutex_lock(mutex)
        }
    }
}
