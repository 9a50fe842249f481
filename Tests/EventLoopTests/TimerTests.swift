import EventLoop
import Testing

@Suite @LoopActor
struct TimerTests {
    @Test func timersRunInTheOrderOfTheirDeadlinesAndTiesInTheOrderScheduled() async {
        var order: [Int] = []
        await withCheckedContinuation { done in
            let recorder = Recorder()
            let loop = EventLoop.shared
            loop.schedule(after: .milliseconds(30)) { recorder.values.append(3) }
            loop.schedule(after: .milliseconds(10)) { recorder.values.append(1) }
            loop.schedule(after: .milliseconds(20)) { recorder.values.append(2) }
            loop.schedule(after: .zero) { recorder.values.append(0) }
            loop.schedule(after: .milliseconds(40)) {
                order = recorder.values
                done.resume()
            }
        }
        #expect(order == [0, 1, 2, 3])
    }

    @Test func aTimerNeverRunsBeforeItsTime() async {
        let clock = ContinuousClock()
        for milliseconds in [1, 7, 23] {
            let start = clock.now
            await pause(.milliseconds(milliseconds))
            #expect(clock.now - start >= .milliseconds(milliseconds))
        }
    }

    @Test func aCancelledTimerDoesNotRun() async {
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

    @Test func aTimerCancelsAnotherThatIsDueAtTheSameTime() async {
        let recorder = Recorder()
        let box = TimerBox()
        EventLoop.shared.schedule(after: .milliseconds(5)) { box.timer?.cancel() }
        box.timer = EventLoop.shared.schedule(after: .milliseconds(5)) { recorder.values.append(1) }
        await pause(.milliseconds(20))
        #expect(recorder.values.isEmpty)
    }

    @Test func sweepingOutCancelledTimersLeavesTheOthersInOrder() async {
        let recorder = Recorder()
        let loop = EventLoop.shared
        var cancelled: [LoopTimer] = []
        // A quarter of a second apart, far more than scheduling all of them takes.
        for index in 0..<600 {
            let slot = (index * 7919) % 6
            let timer = loop.schedule(after: .milliseconds(250 * (slot + 1))) {
                recorder.values.append(slot)
            }
            if index % 5 != 0 { cancelled.append(timer) }
        }
        for timer in cancelled { timer.cancel() }
        await pause(.milliseconds(1800))
        #expect(recorder.values.count == 120)
        #expect(recorder.values == recorder.values.sorted())
    }

    @Test func aDelayThatFitsNoClockIsForEver() {
        let timer = EventLoop.shared.schedule(after: .seconds(Int64.max)) {}
        #expect(timer.isPending)
        timer.cancel()
    }
}

@LoopActor
private final class TimerBox {
    var timer: LoopTimer?
}
