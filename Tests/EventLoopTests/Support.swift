import EventLoop

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
