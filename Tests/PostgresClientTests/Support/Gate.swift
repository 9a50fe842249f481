import EventLoop

/// Holds every task that comes, until it is opened.
@LoopActor
final class Gate {
    private var waiters: [CheckedContinuation<Void, Never>] = []
    private var isOpen = false
    var waitingCount: Int { waiters.count }

    func pass() async {
        await withCheckedContinuation { waiter in
            // Here, and not before the await, between which and this it may be opened.
            if isOpen { return waiter.resume() }
            waiters.append(waiter)
        }
    }

    func open() {
        isOpen = true
        for waiter in waiters { waiter.resume() }
        waiters = []
    }
}
