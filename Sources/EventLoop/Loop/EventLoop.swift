import CLinux

/// One epoll instance served by one thread, on which Swift tasks and actors run too.
///
/// Readiness events, timers and the code that waits for them share a thread, so a query costs
/// neither a lock nor a thread switch. Nothing that runs here may block: see ``BlockingCall``.
///
/// `@unchecked Sendable` is safe because the stored variables are of four kinds: constants;
/// `thread`, which is constant once other code can see the loop; those isolated to ``LoopActor``,
/// which the compiler checks; and `localJobs`, whose only user outside the loop's own code asks
/// ``isOnLoop`` first.
package final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
    /// The loop of the whole process.
    ///
    /// Its thread starts on first use and runs as long as the process runs.
    package static let shared: EventLoop = startShared()

    /// The work of other threads, and whether the loop has to be woken up for it.
    struct Inbox {
        var jobs: [UnownedJob] = []
        var closures: [@LoopActor @Sendable () -> Void] = []
        /// False only while the loop sleeps, or is about to, in `epoll_wait`.
        var isAwake = true

        var isEmpty: Bool { jobs.isEmpty && closures.isEmpty }
    }

    /// Batches of jobs run before descriptors and timers get their turn again.
    ///
    /// Without a bound, two tasks that keep waking each other would starve every connection.
    static let jobBatchesMax = 32
    static let eventsMax = 256
    static let stackBytes = 8 << 20

    let epollDescriptor: Int32
    let wakeDescriptor: Int32
    let inbox = Lock(Inbox())

    /// Written once, before the loop is published through ``shared``; read-only since.
    private nonisolated(unsafe) var thread = pthread_t()

    /// Jobs enqueued by the loop's own thread: no lock, no wake-up.
    nonisolated(unsafe) var localJobs: [UnownedJob] = []
    @LoopActor var jobBatch: [UnownedJob] = []
    @LoopActor var closureBatch: [@LoopActor @Sendable () -> Void] = []
    @LoopActor var endOfTurn: [@LoopActor () -> Void] = []
    @LoopActor var watches = WatchTable()
    @LoopActor var timers = TimerHeap()

    private init() {
        epollDescriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        wakeDescriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        // At the first use in a process no caller could handle an error, and nothing works without a
        // loop.
        precondition(
            epollDescriptor >= 0 && wakeDescriptor >= 0, "no descriptor is left for the event loop")
        let error = clinux_epoll_control(
            epollDescriptor, EPOLL_CTL_ADD, wakeDescriptor, EPOLLIN.rawValue,
            WatchTable.wakeTag)
        precondition(error == 0, "the event loop cannot watch its own wake-up descriptor")
    }

    private static func startShared() -> EventLoop {
        let loop = EventLoop()
        let error = unsafe clinux_start_thread(
            &loop.thread, stackBytes,
            { _ in
                // Waits until `startShared` has returned, so that `thread` is set for all code that can
                // see the loop, its own thread included.
                let loop = EventLoop.shared
                LoopActor.assumeIsolated { loop.runForever() }
            })
        precondition(error == 0, "no thread can be started for the event loop")
        return loop
    }

    /// Whether the caller is on the loop's thread.
    package var isOnLoop: Bool { unsafe pthread_equal(pthread_self(), thread) != 0 }
}
