public import ServiceLifecycle

extension Coordinator: Service {
    /// Runs the coordinator until a graceful shutdown or the task's cancellation, then shuts it down.
    ///
    /// Transactions may be run before, meanwhile and from anywhere.
    ///
    /// - Throws: ``CoordinatorError`` if it cannot start, or if another process has started under
    ///   this replica's name.
    public func run() async throws {
        let incarnation: AsyncStream<Never>
        do {
            incarnation = try await cancelWhenGracefulShutdown { try await self.runtime() }
                .incarnation()
        } catch let error as CoordinatorError where error.code == .cancelled {
            return await shutdown()
        }
        let wasSuperseded = await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                for await _ in incarnation {}
                return !Task.isCancelled
            }
            group.addTask {
                // An error is the task's cancellation, which ends the service as well.
                try? await gracefulShutdown()
                return false
            }
            let first = await group.next() ?? false
            group.cancelAll()
            return first
        }
        await shutdown()
        if wasSuperseded {
            throw CoordinatorError(
                .superseded, "another process has started under this replica's name")
        }
    }
}
