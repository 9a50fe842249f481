import EventLoop
import PostgresClient

/// Notices branches that wait for a lock which another branch of their own transaction holds.
///
/// Such a branch waits for a decision that waits for its vote, so that it can never succeed. Every
/// session with a branch in it is known here until the branch has left it. Nothing is asked as long as
/// each leaves soon.
@LoopActor
final class LockWatch {
    private struct Entry {
        let session: WorkingSession
        /// The number of the tick before which it began.
        let tick: Int
    }

    private let interval: Duration
    private let ask: @LoopActor ([Int32]) async throws -> [Int32: LockWait]
    private var entries: [Int32: Entry] = [:]
    private var tick = 0
    private var timer: LoopTimer?

    /// Makes a watch that asks by `ask` who waits, of these server processes.
    ///
    /// - Parameter lockTimeout: for how long PostgreSQL lets a session wait; 0 for ever.
    init(
        lockTimeout: Duration,
        ask: @escaping @LoopActor ([Int32]) async throws -> [Int32: LockWait]
    ) {
        // A wait is to be seen before PostgreSQL ends it, and before it looks for deadlocks (1 s).
        let longest = Duration.milliseconds(250)
        interval =
            lockTimeout > .zero ? max(min(lockTimeout / 4, longest), .milliseconds(10)) : longest
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
        timer = EventLoop.shared.schedule(after: interval) { [weak self] in
            guard let self else { return }
            Task(executorPreference: EventLoop.shared) { await self.passTick() }
        }
    }

    private func passTick() async {
        tick += 1
        await look()
        timer = nil
        if !entries.isEmpty { schedule() }
    }

    private func look() async {
        // What has begun since the last tick is not worth a question.
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
