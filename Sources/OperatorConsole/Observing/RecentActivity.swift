import CommitProtocol
import EventLoop
import TransactionEngine

/// Counts what this replica has answered in the last hour, for the overview.
///
/// It holds a fixed number of buckets of half a minute each, whatever the load, and forgets them when
/// the process ends: the overview says since when it has counted.
final class RecentActivity: EngineObserver {
    /// What was answered within one bucket of time.
    struct Bucket: Sendable {
        /// Which one it is, counted from the clock's zero; a bucket of another lap is empty.
        fileprivate var number: Int64 = -1
        var committed = 0
        var aborted = 0
        /// Answers that say no outcome: refusals, and outcomes that were not known.
        var others = 0
        var latencies = LatencyCounts()

        var answered: Int { committed + aborted + others }
    }

    static let bucketMilliseconds: Int64 = 30_000
    static let bucketCount = 120

    private let clock: any EngineClock
    private let startedAt: Timestamp
    private let startedAtMilliseconds: Int64
    private let ring: Lock<[Bucket]>

    /// Makes an observer that has seen nothing, with the engine's clock.
    init(clock: any EngineClock) {
        self.clock = clock
        startedAt = clock.wallTime
        startedAtMilliseconds = clock.milliseconds
        // One more than are shown: the one that is being filled.
        ring = Lock(Array(repeating: Bucket(), count: Self.bucketCount + 1))
    }

    func observe(_ event: EngineEvent) {
        guard case .answered(let answer, let duration) = event else { return }
        let number = clock.milliseconds / Self.bucketMilliseconds
        ring.withLock { ring in
            let index = Int(number % Int64(ring.count))
            if ring[index].number != number {
                ring[index] = Bucket()
                ring[index].number = number
            }
            switch answer {
            case .decided: ring[index].committed += 1
            case .known(let record) where record.decision == .commit:
                ring[index].committed += 1
            case .known(let record) where record.decision == .abort: ring[index].aborted += 1
            case .known, .outcomeUnknown, .neverCommits, .refused: ring[index].others += 1
            // They repeat what was counted before.
            case .replayed, .keyInProgress, .keyReused: return
            }
            ring[index].latencies.add(duration)
        }
    }

    /// What has been counted until now.
    func report() -> ActivityReport {
        let now = clock.milliseconds
        let current = now / Self.bucketMilliseconds
        let first = startedAtMilliseconds / Self.bucketMilliseconds
        return ring.withLock { ring in
            let buckets = (current - Int64(Self.bucketCount)..<current).map { number -> Bucket? in
                // Counting may have begun within the first one: what it has is true, if not all.
                guard number >= first else { return nil }
                let bucket = ring[Int(number % Int64(ring.count))]
                return bucket.number == number ? bucket : Bucket()
            }
            let filling = ring[Int(current % Int64(ring.count))]
            return ActivityReport(
                since: startedAt, buckets: buckets,
                lastMilliseconds: min(
                    current * Self.bucketMilliseconds - startedAtMilliseconds,
                    Self.bucketMilliseconds),
                current: filling.number == current ? filling : Bucket(),
                currentMilliseconds: now
                    - max(current * Self.bucketMilliseconds, startedAtMilliseconds))
        }
    }
}

/// What a replica has answered in the last hour, in buckets of half a minute.
struct ActivityReport: Sendable {
    /// When this replica began to count.
    let since: Timestamp
    /// The full buckets, the oldest first; nil for the time before it counted.
    let buckets: [RecentActivity.Bucket?]
    /// For how long the last of them counted; only the first one counted for less than all of it.
    let lastMilliseconds: Int64
    /// The bucket that is being filled.
    let current: RecentActivity.Bucket
    /// How long it has been filled.
    let currentMilliseconds: Int64

    /// The last half minute to minute: the bucket being filled, and the full one before it.
    var latest: (bucket: RecentActivity.Bucket, milliseconds: Int64) {
        guard let before = buckets.last ?? nil else { return (current, currentMilliseconds) }
        var sum = current
        sum.committed += before.committed
        sum.aborted += before.aborted
        sum.others += before.others
        sum.latencies.add(before.latencies)
        return (sum, currentMilliseconds + lastMilliseconds)
    }

    /// The sums over everything that it holds.
    var total: RecentActivity.Bucket {
        buckets.reduce(into: current) { sum, bucket in
            guard let bucket else { return }
            sum.committed += bucket.committed
            sum.aborted += bucket.aborted
            sum.others += bucket.others
            sum.latencies.add(bucket.latencies)
        }
    }
}
