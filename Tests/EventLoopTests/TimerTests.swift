import Testing

@testable import EventLoop

@Suite @LoopActor
struct TimerTests {
    @Test func runsTimersInOrder() async {
        var order: [Int] = []
        await withCheckedContinuation { done in
            let recorder = Recorder()
            let loop = EventLoop.shared
            // Counted from one moment, however long the scheduling itself takes.
            let now = EventLoop.now
            @LoopActor
            func schedule(_ milliseconds: Int, _ body: @escaping @LoopActor @Sendable () -> Void) {
                _ = loop.timers.schedule(after: .milliseconds(milliseconds), from: now, body)
            }
            schedule(30) { recorder.values.append(4) }
            schedule(10) { recorder.values.append(1) }
            schedule(20) { recorder.values.append(2) }
            schedule(20) { recorder.values.append(3) }
            schedule(0) { recorder.values.append(0) }
            schedule(40) {
                order = recorder.values
                done.resume()
            }
        }
        #expect(order == [0, 1, 2, 3, 4])
    }

    @Test func neverRunsTimerEarly() async {
        let clock = ContinuousClock()
        for milliseconds in [1, 7, 23] {
            let start = clock.now
            await pause(.milliseconds(milliseconds))
            #expect(clock.now - start >= .milliseconds(milliseconds))
        }
    }

    @Test func neverRunsCancelledTimer() async {
        let recorder = Recorder()
        let cancelled = EventLoop.shared.schedule(after: .milliseconds(5)) {
            recorder.values.append(1)
        }
        #expect(cancelled.isPending)
        cancelled.cancel()
        cancelled.cancel()
        #expect(!cancelled.isPending)
        await pause(.milliseconds(20))
        #expect(recorder.values.isEmpty)
    }

    @Test func cancelsTimerDueAtSameTime() async {
        let recorder = Recorder()
        let box = TimerBox()
        EventLoop.shared.schedule(after: .milliseconds(5)) { box.timer?.cancel() }
        box.timer = EventLoop.shared.schedule(after: .milliseconds(5)) { recorder.values.append(1) }
        await pause(.milliseconds(20))
        #expect(recorder.values.isEmpty)
    }

    @Test func keepsOrderAfterSweep() async {
        let recorder = Recorder()
        let loop = EventLoop.shared
        var cancelled: [LoopTimer] = []
        // Counted from one moment, however long the scheduling itself takes.
        let now = EventLoop.now
        for index in 0..<600 {
            let slot = (index * 7919) % 6
            let timer = loop.timers.schedule(after: .milliseconds(20 * (slot + 1)), from: now) {
                recorder.values.append(slot)
            }
            if index % 5 != 0 { cancelled.append(timer) }
        }
        for timer in cancelled { timer.cancel() }
        await withCheckedContinuation { done in
            _ = loop.timers.schedule(after: .milliseconds(140), from: now) { done.resume() }
        }
        #expect(recorder.values.count == 120)
        #expect(recorder.values == recorder.values.sorted())
    }

    @Test func clampsDelayThatFitsNoClock() {
        let timer = EventLoop.shared.schedule(after: .seconds(Int64.max)) {}
        #expect(timer.isPending)
        timer.cancel()
    }
}

@LoopActor
private final class TimerBox {
    var timer: LoopTimer?
}
