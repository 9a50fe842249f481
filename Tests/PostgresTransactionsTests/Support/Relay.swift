import EventLoop

/// Runs a body when the loop's other tasks have had exactly so many turns; with none, at once.
///
/// Its tasks wake one another: one that is woken is in the loop's queue at once, and one that is made
/// is not.
@LoopActor
final class Relay {
    private let body: @LoopActor @Sendable () -> Void
    private var runners: [CheckedContinuation<Void, Never>] = []

    /// Returns when it can be started.
    init(turns: Int, _ body: @escaping @LoopActor @Sendable () -> Void) async {
        self.body = body
        for _ in 0..<turns {
            Task(executorPreference: EventLoop.shared) { await self.run() }
        }
        while runners.count < turns { await Task.yield() }
    }

    private func run() async {
        await withCheckedContinuation { runners.append($0) }
        start()
    }

    func start() {
        if let next = runners.popLast() { next.resume() } else { body() }
    }
}
