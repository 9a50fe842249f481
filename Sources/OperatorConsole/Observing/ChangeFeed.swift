import EventLoop
import HTTPServer
package import TransactionEngine

/// Tells open pages that something has changed, by server-sent events.
///
/// A page reads itself anew at each event. While pages are open they get an event every two seconds at most
/// if transactions of this replica have changed, and every four in any case: other replicas and the databases
/// change without this replica's doing. It also keeps the connections in use, so that one whose browser has
/// left is noticed. After a minute a stream ends, and the browser opens another one with a token that is still
/// good. While no page is open nothing is done.
final class ChangeFeed: EngineObserver {
    private struct Open {
        let stream: ResponseStream
        var ticks = 0
    }

    private struct State {
        var streams: [ObjectIdentifier: Open] = [:]
        var hasChanged = false
        var isTicking = false
    }

    private static let tick = Duration.seconds(2)
    /// After so many ticks there is an event in any case.
    private static let ticksMax = 2
    /// After so many ticks a stream ends.
    static let streamTicksMax = 30
    /// The event; a page knows where to read.
    static let event = Array("event: change\ndata: {}\n\n".utf8)
    /// Asks the browser to wait so long before it connects again.
    static let greeting = Array("retry: 2000\n\n".utf8)

    private let clock: any EngineClock
    private let streamsMax: Int
    private let state = Lock(State())

    /// Makes a feed that so many pages may read at once.
    init(clock: any EngineClock, streamsMax: Int) {
        self.clock = clock
        self.streamsMax = streamsMax
    }

    func observe(_ event: EngineEvent) {
        switch event {
        case .recoveryPass, .recoveryFailed, .scanned, .scanFailed: return
        case .answered, .retried, .ended, .finishFailed, .heuristicOutcome, .recovered:
            state.withLock { if !$0.streams.isEmpty { $0.hasChanged = true } }
        }
    }

    /// How many pages read it.
    var streamCount: Int { state.withLock { $0.streams.count } }

    /// A stream of events for one more page; nil if too many are open.
    func open() -> ResponseStream? {
        let stream = ResponseStream(bytesMax: 1024)
        let (isTaken, isFirst) = state.withLock { state in
            guard state.streams.count < streamsMax else { return (false, false) }
            state.streams[ObjectIdentifier(stream)] = Open(stream: stream)
            defer { state.isTicking = true }
            return (true, !state.isTicking)
        }
        guard isTaken else { return nil }
        stream.send(Self.greeting)
        stream.onEnd { [state, id = ObjectIdentifier(stream)] in
            state.withLock { $0.streams[id] = nil }
        }
        if isFirst { Task { await self.sendEvents() } }
        return stream
    }

    /// Sends events until no page is open any more.
    private func sendEvents() async {
        var ticks = 0
        while true {
            await clock.pause(Self.tick)
            ticks += 1
            let due = state.withLock {
                state -> (events: [ResponseStream], ends: [ResponseStream])? in
                guard !state.streams.isEmpty else {
                    state.isTicking = false
                    return nil
                }
                for id in state.streams.keys { state.streams[id]?.ticks += 1 }
                let ends = state.streams.values.filter { $0.ticks >= Self.streamTicksMax }
                guard state.hasChanged || ticks >= Self.ticksMax else {
                    return ([], ends.map(\.stream))
                }
                state.hasChanged = false
                return (state.streams.values.map(\.stream), ends.map(\.stream))
            }
            guard let due else { return }
            if !due.events.isEmpty { ticks = 0 }
            for stream in due.events { stream.send(Self.event) }
            for stream in due.ends { stream.finish() }
        }
    }
}

/// What the console hears of the engine.
package final class ConsoleObserver: EngineObserver {
    let activity: RecentActivity
    let changes: ChangeFeed

    /// Makes an observer that has seen nothing, with the engine's clock; at most so many pages get events.
    package init(clock: any EngineClock, streamsMax: Int) {
        activity = RecentActivity(clock: clock)
        changes = ChangeFeed(clock: clock, streamsMax: streamsMax)
    }

    package func observe(_ event: EngineEvent) {
        activity.observe(event)
        changes.observe(event)
    }
}
