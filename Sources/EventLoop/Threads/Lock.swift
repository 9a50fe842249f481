import CLinux

/// A value that only one thread at a time can reach.
///
/// A plain pthread mutex: `Synchronization.Mutex` spins, which on few cores costs a hundredfold
/// under contention, and ThreadSanitizer does not understand it.
///
/// `@unchecked Sendable` is safe because the value is reached only through ``withLock(_:)``,
/// which holds the mutex throughout, and both ends of it are `sending`, so that nothing inside
/// stays shared with the outside.
@safe
package final class Lock<State>: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private var state: State

    /// Makes a lock around a value.
    package init(_ state: sending State) {
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe pthread_mutex_init(mutex, nil)
        self.state = state
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// Runs a body with the value to itself.
    ///
    /// The body must be short and must not take the same lock again, which would wait for ever.
    package func withLock<Result, Failure: Error>(
        _ body: (inout sending State) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try body(&state)
    }
}
