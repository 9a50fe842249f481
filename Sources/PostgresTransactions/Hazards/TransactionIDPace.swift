/// How fast a server gives out transaction ids, by what it said in the last hour.
struct TransactionIDPace: Sendable {
    private static let window = Duration.seconds(3600)
    /// Two readings that are closer say too little.
    private static let spanMin = Duration.seconds(60)

    private var readings: [(next: UInt64, at: ContinuousClock.Instant)] = []

    /// Takes notice of the next id, as it was at a time.
    mutating func note(_ next: UInt64, at: ContinuousClock.Instant) {
        // Another server answers after a failover.
        if let last = readings.last, last.next > next { readings = [] }
        readings.append((next, at))
        while readings.count > 2, readings[1].at.duration(to: at) >= Self.window {
            readings.removeFirst()
        }
    }

    /// How many seconds so many ids last; nil if the pace is not known, or if none was given out.
    func seconds(for ids: Int) -> Double? {
        guard let first = readings.first, let last = readings.last,
            first.at.duration(to: last.at) >= Self.spanMin, last.next > first.next
        else { return nil }
        let span = first.at.duration(to: last.at) / .seconds(1)
        return Double(ids) * span / Double(last.next - first.next)
    }
}
