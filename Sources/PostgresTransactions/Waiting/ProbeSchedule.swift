/// Decides when a participant's server is asked for waits.
///
/// It is asked once a branch has been at work for longer than most take, and again at growing intervals;
/// as long as branches are found to wait, at short ones. So branches that are only slow cost the server
/// ten questions a second at most, and those that are quick cost nothing. A server with so many waiters
/// that it answers slowly is asked less often.
struct ProbeSchedule: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// How long a branch works before it is examined, and the shortest time between two questions.
    let shortest: Duration
    /// The longest time between two questions.
    let longest: Duration
    private var gap: Duration
    private var last: Instant?

    /// Makes a schedule for a participant that nothing was asked yet.
    ///
    /// - Parameter lockTimeout: how long PostgreSQL lets a session wait; 0 for ever. A wait is noticed
    ///   before it ends so.
    init(lockTimeout: Duration) {
        let usual = (shortest: Duration.milliseconds(20), longest: Duration.milliseconds(100))
        if lockTimeout > .zero {
            shortest = min(usual.shortest, max(lockTimeout / 4, .milliseconds(1)))
            longest = min(usual.longest, max(lockTimeout / 2, .milliseconds(1)))
        } else {
            (shortest, longest) = usual
        }
        gap = shortest
    }

    /// Whether a branch that began then is examined.
    func isLate(_ begun: Instant, at now: Instant) -> Bool { begun + shortest <= now }

    /// When to ask next, if branches are at work that began then; nil if none is.
    func next(begun: some Sequence<Instant>) -> Instant? {
        guard let late = begun.min().map({ $0 + shortest }) else { return nil }
        return last.map { max(late, $0 + gap) } ?? late
    }

    /// Takes notice of a question and its answer.
    mutating func noteAnswer(asked: Instant, answered: Instant, foundWaits: Bool) {
        gap = foundWaits ? shortest : min(gap * 2, longest)
        gap = max(gap, min(asked.duration(to: answered) * 3, longest * 5))
        last = answered
    }

    /// Takes notice of a question that got no answer: that says little of the next one.
    mutating func noteSilence(at now: Instant) {
        gap = min(gap * 2, longest)
        last = now
    }
}
