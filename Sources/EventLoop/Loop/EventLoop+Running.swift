import CLinux

extension EventLoop {
    /// Serves jobs, timers and descriptors, in this order, as long as the process runs.
    @LoopActor
    func runForever() -> Never {
        let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: Self.eventsMax)
        while true {
            let hasMoreJobs = runJobs()
            fireTimers()
            runEndOfTurn()
            let timeout = unsafe hasMoreJobs || !localJobs.isEmpty ? 0 : sleepMilliseconds()
            let count = unsafe epoll_wait(
                epollDescriptor, events, Int32(Self.eventsMax), timeout)
            // From here to the next sleep no thread has to wake the loop: it checks the inbox by itself.
            inbox.withLock { $0.isAwake = true }
            // An interrupted wait (EINTR) is a wake-up without events. The other errors of
            // epoll_wait are those of arguments, which are constant.
            for index in 0..<max(0, count) {
                unsafe deliver(
                    tag: clinux_event_tag(events, index),
                    readiness: clinux_event_readiness(events, index))
            }
        }
    }

    /// Runs a body once, after the jobs and timers of this turn and before the loop looks for events.
    ///
    /// It is the time to handle what many tasks of one turn have added to, such as a buffer to write.
    @LoopActor
    package func atEndOfTurn(_ body: @escaping @LoopActor () -> Void) {
        endOfTurn.append(body)
    }

    @LoopActor
    private func runEndOfTurn() {
        // A body may ask for another one, which still belongs to this turn.
        var index = 0
        while index < endOfTurn.count {
            endOfTurn[index]()
            index += 1
        }
        endOfTurn.removeAll(keepingCapacity: true)
    }

    /// Runs the jobs; true if it stopped with work left, so that descriptors get a turn.
    @LoopActor
    private func runJobs() -> Bool {
        let serial = unsafe asUnownedSerialExecutor()
        let task = unsafe asUnownedTaskExecutor()
        for round in 0..<Self.jobBatchesMax {
            takeBatch(isFirst: round == 0)
            if jobBatch.isEmpty && closureBatch.isEmpty { return false }
            for closure in closureBatch { closure() }
            closureBatch.removeAll(keepingCapacity: true)
            // Both executors are named: isolation to `LoopActor` and the task's preference are then
            // met at once, and neither a call to the actor nor its return is a switch.
            for job in jobBatch {
                unsafe job.runSynchronously(isolatedTo: serial, taskExecutor: task)
            }
            jobBatch.removeAll(keepingCapacity: true)
        }
        return true
    }

    /// Moves the work that has arrived into the batches; the loop's own jobs go first.
    ///
    /// Once a turn it reads the inbox in any case: jobs that go on for ever must not keep the loop from the
    /// work of other threads.
    @LoopActor
    private func takeBatch(isFirst: Bool) {
        unsafe swap(&localJobs, &jobBatch)
        guard isFirst || jobBatch.isEmpty else { return }
        // The arrays change places, so no memory is allocated in the long run. The copies that leave the
        // lock own their buffers alone again at once.
        var jobs = jobBatch
        var closures = closureBatch
        jobBatch = []
        closureBatch = []
        inbox.withLock { box in
            if jobs.isEmpty {
                swap(&jobs, &box.jobs)
            } else {
                jobs.append(contentsOf: box.jobs)
                box.jobs.removeAll(keepingCapacity: true)
            }
            swap(&closures, &box.closures)
        }
        jobBatch = jobs
        closureBatch = closures
    }

    /// How long `epoll_wait` may sleep: until the next timer, or not at all if work came meanwhile.
    @LoopActor
    private func sleepMilliseconds() -> Int32 {
        let sleeps = inbox.withLock { box in
            // Emptiness and the flag are one decision: a thread that adds work after this sees
            // `isAwake == false` and signals the descriptor that epoll watches.
            box.isAwake = !box.isEmpty
            return !box.isAwake
        }
        guard sleeps else { return 0 }
        return timers.millisecondsUntilNext(from: Self.now)
    }
}

extension EventLoop {
    /// Takes a job of a task or an actor; from any thread.
    package func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        if isOnLoop {
            unsafe localJobs.append(unowned)
        } else {
            let wakes = inbox.withLock { box in
                box.jobs.append(unowned)
                return box.claimWakeUp()
            }
            if wakes { clinux_eventfd_signal(wakeDescriptor) }
        }
    }

    /// Runs a body on the loop, later, without a task; from any thread.
    ///
    /// Bodies from one thread run in the order given. A body from the loop itself runs after the present
    /// job.
    package func execute(_ body: @escaping @LoopActor @Sendable () -> Void) {
        let wakes = inbox.withLock { box in
            box.closures.append(body)
            return box.claimWakeUp()
        }
        if wakes { clinux_eventfd_signal(wakeDescriptor) }
    }

    /// The loop as the executor of an actor.
    package func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        unsafe UnownedSerialExecutor(ordinary: self)
    }

    /// The loop as the preferred executor of a task.
    package func asUnownedTaskExecutor() -> UnownedTaskExecutor {
        unsafe UnownedTaskExecutor(ordinary: self)
    }

    /// Whether the caller is on the loop.
    package func isIsolatingCurrentContext() -> Bool? { isOnLoop }

    /// Stops the program if the caller is not on the loop.
    package func checkIsolated() {
        precondition(isOnLoop, "this code must run on the event loop's thread")
    }
}

extension EventLoop.Inbox {
    /// True for the first thread that adds work while the loop sleeps; that thread has to wake it.
    mutating func claimWakeUp() -> Bool {
        defer { isAwake = true }
        return !isAwake
    }
}
