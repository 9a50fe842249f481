import Glibc

/// A value behind a pthread mutex: on few cores it neither spins nor starves, and the thread
/// sanitizer understands it.
@safe final class Guarded<Value>: @unchecked Sendable {
    // Unchecked, because the mutex makes it true: `value` is touched under it only.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var value: Value

    init(_ value: Value) {
        self.value = value
        unsafe pthread_mutex_init(mutex, nil)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    func with<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
