import Glibc

/// Cuts clients that drip: libmicrohttpd's own timeout is for inactivity only, and a byte a second
/// would hold a connection for ever.
///
/// A cut is a `shutdown` of the socket under the lock that also guards its removal, so a number
/// that was closed and given to somebody else is never cut.
final class DeadlineKeeper: Sendable {
    private struct State {
        var deadlines: [Int32: ContinuousClock.Instant] = [:]
        var isStopped = false
    }

    private let state = Guarded(State())
    private let tick: Duration = .milliseconds(250)

    func start() {
        let thread = Unmanaged.passRetained(self)
        var handle = pthread_t()
        let result = pthread_create(
            &handle, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<DeadlineKeeper>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, thread.toOpaque())
        precondition(result == 0, "a thread can be made at start-up")
        pthread_detach(handle)
    }

    func set(_ socket: Int32, within duration: Duration) {
        let deadline = ContinuousClock.now + duration
        state.with { $0.deadlines[socket] = deadline }
    }

    func clear(_ socket: Int32) {
        // Far away rather than absent: `remove` alone ends a socket's time here.
        state.with { $0.deadlines[socket] = ContinuousClock.now + .seconds(86_400 * 365) }
    }

    func remove(_ socket: Int32) {
        state.with { _ = $0.deadlines.removeValue(forKey: socket) }
    }

    func stop() {
        state.with { $0.isStopped = true }
    }

    private func run() {
        var pause = timespec(tv_sec: 0, tv_nsec: Int(tick.components.attoseconds / 1_000_000_000))
        while true {
            nanosleep(&pause, nil)
            let now = ContinuousClock.now
            let isStopped = state.with { state in
                for (socket, deadline) in state.deadlines where deadline <= now {
                    shutdown(socket, Int32(SHUT_RDWR))
                    state.deadlines[socket] = now + .seconds(86_400 * 365)
                }
                return state.isStopped
            }
            if isStopped { return }
        }
    }
}
