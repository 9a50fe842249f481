import EventLoop
import PostgresClient

/// Notices branches that wait for a lock which another branch of their own transaction holds.
///
/// Such a branch waits for a decision that waits for its vote, so it can never succeed. The watch knows every
/// session with a branch in it. It polls, since PostgreSQL reports no lock waits; it asks nothing as long
/// as each branch leaves its session soon.
@LoopActor
final class LockWatch {
    private struct Entry {
        let session: WorkingSession
        /// The number of the last tick before the branch began.
        let tick: Int
    }

    private let loop: EventLoop
    private let interval: Duration
    private let ask: @LoopActor ([Int32]) async throws -> [Int32: LockWait]
    private var entries: [Int32: Entry] = [:]
    private var tick = 0
    private var timer: LoopTimer?

    /// Makes a watch.
    ///
    /// - Parameters:
    ///   - lockTimeout: how long PostgreSQL lets a session wait; 0 for ever.
    ///   - ask: finds out which of these server processes wait.
    init(
        lockTimeout: Duration, loop: EventLoop,
        ask: @escaping @LoopActor ([Int32]) async throws -> [Int32: LockWait]
    ) {
        // Waits are noticed before PostgreSQL ends them, and before it checks for deadlocks (1 s).
        let longest = Duration.milliseconds(250)
        interval =
            lockTimeout > .zero ? max(min(lockTimeout / 4, longest), .milliseconds(10)) : longest
        self.loop = loop
        self.ask = ask
    }

    /// A branch begins to work in the session with this server process.
    func begin(_ session: WorkingSession, _ processID: Int32) {
        entries[processID] = Entry(session: session, tick: tick)
        schedule()
    }

    /// The branch has left the session.
    func end(_ processID: Int32) { entries[processID] = nil }

    private func schedule() {
        guard timer == nil else { return }
        timer = loop.schedule(after: interval) { [weak self] in
            guard let self else { return }
            Task(executorPreference: self.loop) { await self.passTick() }
        }
    }

    private func passTick() async {
        tick += 1
        await notifyWaiters()
        timer = nil
        if !entries.isEmpty { schedule() }
    }

    private func notifyWaiters() async {
        // A branch that has begun since the last tick is not worth a query.
        let before = entries
        let late = before.filter { $1.session.isWorking && $1.tick < tick - 1 }
        guard !late.isEmpty, let waits = try? await ask(Array(late.keys)) else { return }
        // By now a server process may have been lent to another branch.
        let same = before.filter { entries[$0]?.session === $1.session }
        for (processID, entry) in late where same[processID] != nil {
            entry.session.note(waits[processID], among: same.mapValues(\.session))
        }
    }
}
