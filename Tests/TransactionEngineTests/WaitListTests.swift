import EventLoop
import Testing

@testable import TransactionEngine

@Suite("Tasks that wait for an event", .timeLimit(.minutes(20)))
struct WaitListTests {
    /// A clock whose timers fire as soon as they are scheduled.
    private struct EagerClock: EngineClock {
        struct Fired: ScheduledTimer {
            func cancel() {}
        }

        var microseconds: Int64 { 0 }
        var wallTime: Timestamp { 0 }

        func schedule(
            after delay: Duration, _ body: @escaping @LoopActor () -> Void
        ) -> any ScheduledTimer {
            body()
            return Fired()
        }
    }

    @Test("ends a wait whose timer fires at once")
    @LoopActor
    func timerFiresAtOnce() async {
        let list = WaitList<Int>(EagerClock())
        for _ in 0..<100 { await list.wait(for: 1, within: .zero) }
    }

    @Test("a timer wakes its own task and no other of the same key")
    @LoopActor
    func timerWakesItsOwnTask() async {
        let clock = FakeClock()
        let list = WaitList<Int>(clock)
        let woken = Lock<[String]>([])
        let short = Task { @LoopActor in
            await list.wait(for: 1, within: .milliseconds(10))
            woken.withLock { $0.append("short") }
        }
        let long = Task { @LoopActor in
            await list.wait(for: 1, within: .milliseconds(1000))
            woken.withLock { $0.append("long") }
        }
        while clock.armed < 2 { await Task.yield() }
        clock.advance(milliseconds: 10)
        await short.value
        #expect(woken.withLock { $0 } == ["short"])
        list.wake(1)
        await long.value
    }
}
