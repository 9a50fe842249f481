import Glibc

/// Runs a body on a new thread, for calls that would block one of the few threads of tasks.
func startThread(_ body: @escaping @Sendable () -> Void) throws {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    // Not joined: results arrive through a stream or a continuation.
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    unsafe pthread_attr_setstacksize(&attributes, 512 * 1024)
    let argument = unsafe Unmanaged.passRetained(Box(body))
    var thread = pthread_t()
    let code = unsafe pthread_create(
        &thread, &attributes,
        { pointer in
            if let pointer = unsafe pointer {
                unsafe Unmanaged<Box>.fromOpaque(pointer).takeRetainedValue().body()
            }
            return nil
        }, argument.toOpaque())
    if code != 0 {
        unsafe argument.release()
        throw SystemError(call: "pthread_create", code: code)
    }
}
