import Testing

@testable import PostgresTransactions

@Suite("When a server is asked for waits")
struct ProbeScheduleTests {
    private typealias Instant = ContinuousClock.Instant

    private let start = Instant.now

    private func at(_ milliseconds: Int) -> Instant { start + .milliseconds(milliseconds) }

    /// The intervals between questions, each answered after so long, while one branch works.
    private func intervals(
        _ answers: [(after: Int, foundWaits: Bool)], lockTimeout: Duration = .seconds(5)
    ) -> [Int] {
        var schedule = ProbeSchedule(lockTimeout: lockTimeout)
        var now = start
        return answers.map { answer in
            let next = schedule.next(begun: [start]) ?? now
            let interval = now.duration(to: next).wholeMilliseconds
            now = next + .milliseconds(answer.after)
            schedule.noteAnswer(asked: next, answered: now, foundWaits: answer.foundWaits)
            return Int(interval)
        }
    }

    @Test("at growing intervals while branches are only slow")
    func slow() {
        let answers = Array(repeating: (after: 0, foundWaits: false), count: 6)
        #expect(intervals(answers) == [20, 40, 80, 100, 100, 100])
    }

    @Test("at short intervals while branches wait")
    func waiting() {
        let answers = Array(repeating: (after: 0, foundWaits: true), count: 4)
        #expect(intervals(answers) == [20, 20, 20, 20])
    }

    @Test("for a quarter of its time at most, unless it does not answer")
    func share() {
        #expect(intervals([(after: 30, foundWaits: true), (after: 1, true)]) == [20, 90])
        #expect(intervals([(after: 1000, foundWaits: false), (after: 1, true)]) == [20, 500])
    }

    @Test("before PostgreSQL ends the wait itself")
    func lockTimeout() {
        let answers = Array(repeating: (after: 0, foundWaits: false), count: 4)
        #expect(intervals(answers, lockTimeout: .milliseconds(40)) == [10, 20, 20, 20])
        #expect(intervals(answers, lockTimeout: .zero) == [20, 40, 80, 100])
    }

    @Test("not while no branch works, and not before one is late")
    func quick() {
        var schedule = ProbeSchedule(lockTimeout: .zero)
        #expect(schedule.next(begun: []) == nil)
        #expect(!schedule.isLate(start, at: at(19)))
        #expect(schedule.isLate(start, at: at(20)))
        schedule.noteAnswer(asked: at(0), answered: at(0), foundWaits: true)
        #expect(schedule.next(begun: [at(100), at(50)]) == at(70))
    }
}
