/// The global actor of the event loop: code isolated to it runs on the loop's thread.
///
/// A hop to it from a task that has `executorPreference: EventLoop.shared` costs next to nothing,
/// since the task is on that thread already. Note that an unstructured `Task {}` does not inherit
/// the preference.
@globalActor
package actor LoopActor {
    /// The one instance.
    package static let shared = LoopActor()

    /// The loop.
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe EventLoop.shared.asUnownedSerialExecutor()
    }

    /// Runs a body that needs the loop, from code that the compiler does not know to be on the loop.
    ///
    /// Stops the program if called from any other thread: that would be a data race.
    package static func assumeIsolated<Result, Failure: Error>(
        _ body: @LoopActor () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        EventLoop.shared.checkIsolated()
        // Isolation to a global actor is not part of a function's calling convention; this is
        // how the standard library's `MainActor.assumeIsolated` does it.
        return try withoutActuallyEscaping(body) { (body) throws(Failure) -> Result in
            let unisolated = unsafe unsafeBitCast(body, to: (() throws(Failure) -> Result).self)
            return try unisolated()
        }
    }
}

/// Receives the answer of a call: once, on the loop, and possibly before the call returns.
package typealias Completion<Answer> = @LoopActor (Answer) -> Void

extension EventLoop {
    /// Starts a task that stays on the loop.
    ///
    /// An unstructured task inherits no executor preference, and without one each call of an isolated
    /// function would change threads and change back.
    @discardableResult
    package func spawn(
        _ body: @escaping @LoopActor @Sendable () async -> Void
    ) -> Task<Void, Never> {
        Task(executorPreference: self, operation: body)
    }
}
