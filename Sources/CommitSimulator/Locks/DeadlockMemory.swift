/// For how long a replica has requests work in order after one of its transactions was in a deadlock.
///
/// It follows the times of the product's `Contention`. All requests of a load have the same SQL, so one
/// memory stands for the table of SQL texts.
struct DeadlockMemory: Sendable {
    private static let min: Int64 = 5_000_000
    private static let max: Int64 = 60_000_000

    private var noted: Int64?
    private var length = Self.min

    /// Whether there was a deadlock lately.
    func holds(at now: Int64) -> Bool {
        noted.map { now < $0 + length } ?? false
    }

    /// Notes a deadlock: twice as long if the last one was forgotten only a short while ago.
    mutating func note(at now: Int64) {
        if let noted, !holds(at: now) {
            length = now < noted + 2 * length ? Swift.min(2 * length, Self.max) : Self.min
        }
        noted = now
    }
}
