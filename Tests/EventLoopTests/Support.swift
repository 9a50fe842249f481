import EventLoop
import Glibc
import Testing

/// What happened on the loop, in order.
@LoopActor
final class Recorder {
    var values: [Int] = []
}

/// Lets a time pass by the loop's own timer.
@LoopActor
func pause(_ duration: Duration) async {
    await withCheckedContinuation { done in
        _ = EventLoop.shared.schedule(after: duration) { done.resume() }
    }
}

/// Two connected sockets.
struct Pair {
    var near: Int32
    var far: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        let result = socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
        try #require(result == 0)
        (near, far) = (ends[0], ends[1])
    }

    func writeOnFarEnd() {
        var byte: UInt8 = 1
        #expect(write(far, &byte, 1) == 1)
    }

    func close() {
        EventLoop.shared.executeUnwatch(near)
        Glibc.close(near)
        Glibc.close(far)
    }
}

extension EventLoop {
    fileprivate func executeUnwatch(_ descriptor: Int32) {
        LoopActor.assumeIsolated { unwatch(descriptor) }
    }
}
