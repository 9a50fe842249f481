import EventLoop
import HTTPServer
import Testing
import TransactionEngine

@testable import OperatorConsole

@Suite @LoopActor struct ChangeFeedTests {
    private let clock = HandClock(milliseconds: 1000)
    private let event = EngineEvent.answered(.neverCommits, after: .zero)

    /// Lets so many ticks pass.
    private func tick(_ count: Int) async {
        for _ in 0..<count { await clock.fireNextTimer() }
        // The next timer is set once the tick has been dealt with.
        await clock.untilTimerIsSet()
    }

    /// What has been sent and not been read.
    private func text(_ stream: ResponseStream) -> String {
        String(decoding: stream.waitingBytes, as: UTF8.self)
    }

    private static let change = "event: change\ndata: {}\n\n"

    @Test func tellsOfChangesAtTheNextTick() async throws {
        let feed = ChangeFeed(clock: clock, streamsMax: 2)
        let stream = try #require(feed.open())
        #expect(text(stream) == "retry: 2000\n\n")
        feed.observe(event)
        feed.observe(event)
        await tick(1)
        #expect(text(stream) == "retry: 2000\n\n" + Self.change)
    }

    @Test func whatChangesNoTransactionIsNoChange() async throws {
        let feed = ChangeFeed(clock: clock, streamsMax: 2)
        // What happened before the page was read is on the page.
        feed.observe(event)
        let stream = try #require(feed.open())
        feed.observe(.recoveryFailed)
        feed.observe(.scanFailed(participant: "users"))
        await tick(1)
        #expect(text(stream) == "retry: 2000\n\n")
        // Others may have changed something.
        await tick(1)
        #expect(text(stream) == "retry: 2000\n\n" + Self.change)
    }

    @Test func endsAStreamAfterAMinute() async throws {
        let feed = ChangeFeed(clock: clock, streamsMax: 2)
        let stream = try #require(feed.open())
        await tick(ChangeFeed.streamTicksMax - 1)
        #expect(stream.send([]))
        await tick(1)
        #expect(!stream.send([]))
    }

    @Test func takesNoMoreThanItsLimitAndForgetsThoseThatEnd() async throws {
        let feed = ChangeFeed(clock: clock, streamsMax: 1)
        let stream = try #require(feed.open())
        #expect(feed.open() == nil)
        stream.end()
        #expect(feed.streamCount == 0)
        #expect(feed.open() != nil)
    }
}
