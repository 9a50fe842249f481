import EventLoop
import Glibc
import Testing

@Suite
struct ExecutorTests {
    @Test func runsActorOnLoop() async {
        #expect(!EventLoop.shared.isOnLoop)
        await onLoop { #expect(EventLoop.shared.isOnLoop) }
        #expect(!EventLoop.shared.isOnLoop)
    }

    @Test func runsPreferringTaskOnLoop() async {
        let isOnLoop = await Task(executorPreference: EventLoop.shared) {
            EventLoop.shared.isOnLoop
        }.value
        #expect(isOnLoop)
    }

    /// Many threads at once: every increment is made, although nothing but the actor guards them.
    @Test func runsWorkFromManyThreads() async {
        let counter = Counter()
        await withTaskGroup { group in
            for _ in 0..<50 {
                group.addTask { for _ in 0..<200 { await counter.increment() } }
            }
        }
        #expect(await counter.value == 10_000)
    }

    @Test func runsBodiesOfOneThreadInOrder() async {
        let recorder = Recorder()
        await withCheckedContinuation { done in
            for index in 0..<1000 {
                EventLoop.shared.execute { recorder.values.append(index) }
            }
            EventLoop.shared.execute { done.resume() }
        }
        #expect(await recorder.values == Array(0..<1000))
    }

    /// An event begins a turn, so that all of the turn's batches are still to come.
    @Test @LoopActor func runsEndOfTurnAfterTasks() async throws {
        var order: [String] = []
        let pair = try Pair()
        defer { pair.close() }
        try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<Void, any Error>) in
            let begin: @LoopActor (Readiness) -> Void = { _ in
                EventLoop.shared.unwatch(pair.near)
                EventLoop.shared.atEndOfTurn {
                    order.append("end")
                    EventLoop.shared.atEndOfTurn {
                        order.append("end of the end")
                        continuation.resume()
                    }
                }
                EventLoop.shared.execute { order.append("execute") }
                Task(executorPreference: EventLoop.shared) { @LoopActor in order.append("task") }
            }
            do {
                try EventLoop.shared.watch(pair.near, for: .read, begin)
                pair.writeOnFarEnd()
            } catch { continuation.resume(throwing: error) }
        }
        #expect(Set(order.prefix(2)) == ["execute", "task"])
        #expect(order.suffix(2) == ["end", "end of the end"])
    }

    @Test @LoopActor func neverStarvesOtherThreads() async {
        let flag = Flag()
        let busy = Task { @LoopActor in while !flag.isSet { await Task.yield() } }
        EventLoop.shared.execute { flag.isSet = true }
        await busy.value
        #expect(flag.isSet)
    }

    /// Two tasks that keep each other busy must not keep the loop from its timers.
    @Test @LoopActor func neverStarvesTimers() async {
        let flag = Flag()
        let busy = Task { @LoopActor in while !flag.isSet { await Task.yield() } }
        EventLoop.shared.schedule(after: .milliseconds(10)) { flag.isSet = true }
        await busy.value
        #expect(flag.isSet)
    }

    @Test func boundsThreadsOfBlockingCalls() async {
        let running = Lock((now: 0, most: 0))
        let results = await withTaskGroup(of: Int.self) { group in
            for index in 0..<40 {
                group.addTask {
                    await BlockingCall.run {
                        #expect(!EventLoop.shared.isOnLoop)
                        running.withLock {
                            $0.now += 1
                            $0.most = max($0.most, $0.now)
                        }
                        usleep(2000)
                        running.withLock { $0.now -= 1 }
                        return index
                    }
                }
            }
            return await group.reduce(into: Set<Int>()) { $0.insert($1) }
        }
        #expect(results == Set(0..<40))
        let most = running.withLock { $0.most }
        #expect(most > 1 && most <= BlockingCall.threadsMax)
    }

    @Test func returnsBlockingResultOnLoop() async {
        let isOnLoop = await withCheckedContinuation { done in
            BlockingCall.start(for: .shared, { 42 }) { value in
                #expect(value == 42)
                done.resume(returning: EventLoop.shared.isOnLoop)
            }
        }
        #expect(isOnLoop)
    }
}

@LoopActor
private func onLoop(_ body: @LoopActor () -> Void) {
    body()
}

@LoopActor
private final class Flag {
    var isSet = false
}

@LoopActor
private final class Counter {
    var value = 0
    func increment() { value += 1 }
}
