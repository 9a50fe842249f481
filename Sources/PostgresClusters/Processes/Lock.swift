import Glibc

/// A value behind a pthread mutex.
///
/// `Synchronization.Mutex` would do, but the thread sanitizer cannot see into it and reports what it
/// guards as races.
///
/// `@unchecked Sendable` holds because `value` is reached only through `withLock`, and the mutex lies
/// at a fixed address of its own from `init` to `deinit`.
@safe final class Lock<Value: Sendable>: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private var value: Value

    init(_ value: Value) {
        self.value = value
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe pthread_mutex_init(mutex, nil)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// Runs `body` with the value, while no one else does.
    func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return body(&value)
    }
}
