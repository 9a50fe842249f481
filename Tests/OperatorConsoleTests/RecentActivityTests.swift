import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@testable import OperatorConsole

@Suite struct RecentActivityTests {
    private let clock = HandClock(milliseconds: 1_000_000_000)

    private func answer(_ decision: Decision) -> EngineEvent {
        let state: TransactionState = decision == .commit ? .committed : .aborted
        return .answered(.known(Records.record(state, decision)), after: .milliseconds(3))
    }

    @LoopActor
    @Test func countsByOutcome() {
        let activity = RecentActivity(clock: clock)
        for _ in 0..<3 { activity.observe(answer(.commit)) }
        activity.observe(answer(.abort))
        activity.observe(.answered(.neverCommits, after: .zero))
        activity.observe(.answered(.replayed(Records.record(.committed, .commit)), after: .zero))
        let total = activity.report().total
        #expect((total.committed, total.aborted, total.others) == (3, 1, 1))
    }

    @Test func knowsNothingOfTheTimeBeforeItCounted() {
        let activity = RecentActivity(clock: clock)
        clock.advance(milliseconds: 3 * RecentActivity.bucketMilliseconds)
        let buckets = activity.report().buckets
        #expect(buckets.count == RecentActivity.bucketCount)
        #expect(buckets.suffix(3).allSatisfy { $0 != nil })
        #expect(buckets.dropLast(3).allSatisfy { $0 == nil })
    }

    @LoopActor
    @Test func aRateIsOfTheTimeThatWasCounted() {
        // A third of its bucket has passed.
        let activity = RecentActivity(clock: clock)
        activity.observe(answer(.commit))
        clock.advance(milliseconds: 25_000)
        let latest = activity.report().latest
        #expect((latest.bucket.answered, latest.milliseconds) == (1, 25_000))
        clock.advance(milliseconds: 30_000)
        #expect(activity.report().latest.milliseconds == 35_000)
    }

    @LoopActor
    @Test func forgetsWhatIsOlderThanAnHour() {
        let activity = RecentActivity(clock: clock)
        clock.advance(milliseconds: 2 * RecentActivity.bucketMilliseconds)
        activity.observe(answer(.commit))
        clock.advance(milliseconds: 59 * 60_000)
        #expect(activity.report().total.answered == 1)
        clock.advance(milliseconds: 2 * 60_000)
        #expect(activity.report().total.answered == 0)
    }

    @LoopActor
    @Test func countsFromTheFirstMoment() {
        let activity = RecentActivity(clock: clock)
        activity.observe(answer(.commit))
        clock.advance(milliseconds: 59 * 60_000)
        #expect(activity.report().total.answered == 1)
    }

    @LoopActor
    @Test func usesAPlaceOfTheRingAnew() {
        let activity = RecentActivity(clock: clock)
        activity.observe(answer(.commit))
        let lap = Int64(RecentActivity.bucketCount + 1) * RecentActivity.bucketMilliseconds
        clock.advance(milliseconds: lap)
        activity.observe(answer(.abort))
        let total = activity.report().total
        #expect((total.committed, total.aborted) == (0, 1))
    }

    @Test(arguments: [1, 63, 64, 90, 91, 128, 1_000, 1_413, 1_415, 250_000, 59_000_000] as [Int64])
    func aQuantileIsNeverTooSmallAndAtMost42PercentTooLarge(_ microseconds: Int64) throws {
        var counts = LatencyCounts()
        counts.add(.microseconds(microseconds))
        let found = try #require(counts.quantile(0.5))
        #expect(found >= microseconds)
        #expect(microseconds < 64 || Double(found) <= Double(microseconds) * 1.4143)
    }

    @Test func quantilesAreOfTheShare() throws {
        var counts = LatencyCounts()
        for _ in 0..<99 { counts.add(.milliseconds(1)) }
        counts.add(.seconds(2))
        #expect(try #require(counts.quantile(0.5)) < 2_000)
        #expect(try #require(counts.quantile(0.99)) < 2_000)
        #expect(try #require(counts.quantile(1)) >= 2_000_000)
        #expect(LatencyCounts().quantile(0.5) == nil)
    }
}
