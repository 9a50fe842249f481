import EventLoop
import Glibc
import Testing

@Suite @LoopActor
struct DescriptorTests {
    @Test func reportsReadableDescriptor() async throws {
        let pair = try Pair()
        defer { pair.close() }
        try await confirmation { readable in
            try await withCheckedThrowingContinuation {
                (done: CheckedContinuation<Void, any Error>) in
                do {
                    try EventLoop.shared.watch(pair.near, for: .read) { readiness in
                        #expect(readiness.contains(.read))
                        #expect(!readiness.contains(.write))
                        EventLoop.shared.unwatch(pair.near)
                        readable()
                        done.resume()
                    }
                } catch { done.resume(throwing: error) }
                pair.writeOnFarEnd()
            }
        }
    }

    @Test func reportsWritableOnlyWhileWatched() async throws {
        let pair = try Pair()
        defer { pair.close() }
        let recorder = Recorder()
        try EventLoop.shared.watch(pair.near, for: .read) { _ in recorder.values.append(0) }
        await pause(.milliseconds(5))
        #expect(recorder.values.isEmpty)
        try EventLoop.shared.change(pair.near, to: [.read, .write])
        // Writable at once: the report comes as soon as the loop looks.
        while recorder.values.isEmpty { await pause(.milliseconds(1)) }
        try EventLoop.shared.change(pair.near, to: .read)
        let before = recorder.values.count
        await pause(.milliseconds(5))
        #expect(recorder.values.count == before)
        EventLoop.shared.unwatch(pair.near)
    }

    /// Both descriptors are ready in one batch.
    ///
    /// The descriptor that is served first closes the other one and
    /// opens a new pair, which gets the closed number; the event that is still in the batch belongs
    /// to the dead descriptor and must not reach the newcomer.
    @Test func dropsEventOfClosedDescriptor() async throws {
        let first = try Pair()
        let second = try Pair()
        let recorder = Recorder()
        var newcomer: Int32 = -1
        func replace(_ victim: Pair, by survivor: Pair) {
            EventLoop.shared.unwatch(survivor.near)
            EventLoop.shared.unwatch(victim.near)
            let number = victim.near
            // Closes and opens in one step, so that no other thread of this process can take the
            // number in between.
            newcomer = dup2(survivor.far, number)
            #expect(newcomer == number)
            do {
                try EventLoop.shared.watch(newcomer, for: .read) { _ in recorder.values.append(1) }
            } catch { Issue.record(error) }
        }
        try EventLoop.shared.watch(first.near, for: .read) { _ in replace(second, by: first) }
        try EventLoop.shared.watch(second.near, for: .read) { _ in replace(first, by: second) }
        first.writeOnFarEnd()
        second.writeOnFarEnd()
        await pause(.milliseconds(20))
        #expect(newcomer >= 0)
        #expect(recorder.values.isEmpty)
        EventLoop.shared.unwatch(newcomer)
        for descriptor in [first.near, first.far, second.near, second.far] {
            Glibc.close(descriptor)
        }
    }

    @Test func throwsErrorOfKernel() throws {
        let expected = DescriptorError.self
        #expect(throws: expected) { try EventLoop.shared.watch(-1, for: .read) { _ in } }
        #expect(throws: expected) { try EventLoop.shared.watch(999_999, for: .read) { _ in } }
        #expect(throws: expected) { try EventLoop.shared.change(999_999, to: .read) }
        EventLoop.shared.unwatch(999_999)
        // A regular file has no readiness: epoll answers EPERM.
        let file = open("/etc/passwd", O_RDONLY)
        defer { close(file) }
        let error = #expect(throws: expected) {
            try EventLoop.shared.watch(file, for: .read) { _ in }
        }
        #expect(error?.code == EPERM)
    }

    @Test func refusesToWatchTwice() throws {
        let pair = try Pair()
        defer { pair.close() }
        try EventLoop.shared.watch(pair.near, for: .read) { _ in }
        let error = #expect(throws: DescriptorError.self) {
            try EventLoop.shared.watch(pair.near, for: .read) { _ in }
        }
        #expect(error?.code == EEXIST)
        EventLoop.shared.unwatch(pair.near)
    }
}
