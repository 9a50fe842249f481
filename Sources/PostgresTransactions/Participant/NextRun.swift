import EventLoop

/// Runs an action whose answer only counts for what was known before it began.
///
/// Calls that come while it runs share the next run.
@LoopActor
final class NextRun<Answer: Sendable> {
    private var running: Task<Answer, Never>?
    private var queued: Task<Answer, Never>?

    func callAsFunction(_ run: @escaping @LoopActor () async -> Answer) async -> Answer {
        if let queued { return await queued.value }
        let earlier = running
        let task = Task { @LoopActor in
            _ = await earlier?.value
            running = queued
            queued = nil
            return await run()
        }
        queued = task
        return await task.value
    }
}
