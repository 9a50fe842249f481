import EventLoop
import TransactionEngine

/// What a participant's server last answered to a question.
struct ParticipantReading<Answer: Sendable>: Sendable {
    /// When it was asked.
    let at: Timestamp
    /// How long it took to answer, in microseconds.
    let duration: Int64
    let answer: Result<Answer, ParticipantUnreachable>

    /// The answer, if there is one.
    var found: Answer? { try? answer.get() }
}

/// What is prepared on a participant's server.
typealias PreparedReading = ParticipantReading<PreparedReport>
/// The sessions of a participant's server that wait for a lock.
typealias WaitsReading = ParticipantReading<[LockWaitReport]>

/// Asks participants one question, so that no page waits for a server that does not answer.
///
/// However many pages are open, each server is asked one question at a time, and again only after
/// two seconds. A page shows the last answer, and how old it is.
@LoopActor
final class ParticipantReadings<Answer: Sendable> {
    typealias Question = @Sendable (String) async throws(ParticipantUnreachable) -> Answer

    /// How old an answer may become, in microseconds.
    private let ageMax: Int64 = 2_000_000
    /// How long a page waits for answers: a server that is well answers sooner.
    private let wait: Duration = .milliseconds(100)

    private let question: Question
    private let clock: any EngineClock
    private var readings: [String: ParticipantReading<Answer>] = [:]
    private var underWay: Set<String> = []
    private var waiting: [Waiter] = []

    /// Makes readings without an answer; the question is put to the participant of a name.
    nonisolated init(clock: any EngineClock, question: @escaping Question) {
        self.question = question
        self.clock = clock
    }

    /// The last answers of these participants, for which it waits a tenth of a second at most.
    func latest(of names: [String]) async -> [String: ParticipantReading<Answer>] {
        for name in names where !underWay.contains(name) && isOld(readings[name]) { ask(name) }
        if names.contains(where: underWay.contains) {
            await withCheckedContinuation { continuation in
                let waiter = Waiter(names: Set(names).intersection(underWay), continuation)
                guard !waiter.names.isEmpty else { return waiter.end() }
                waiting.removeAll(where: \.isOver)
                waiting.append(waiter)
                waiter.timer = clock.schedule(after: wait) { waiter.end() }
            }
        }
        return readings.filter { names.contains($0.key) }
    }

    private func isOld(_ reading: ParticipantReading<Answer>?) -> Bool {
        guard let reading else { return true }
        return clock.wallTime - reading.at >= ageMax
    }

    private func ask(_ name: String) {
        underWay.insert(name)
        Task { @LoopActor in
            let start = clock.milliseconds
            let at = clock.wallTime
            let answer: Result<Answer, ParticipantUnreachable>
            do throws(ParticipantUnreachable) {
                answer = .success(try await question(name))
            } catch {
                answer = .failure(error)
            }
            readings[name] = ParticipantReading(
                at: at, duration: max(clock.wallTime - at, (clock.milliseconds - start) * 1_000),
                answer: answer)
            underWay.remove(name)
            for waiter in waiting { waiter.names.remove(name) }
            for waiter in waiting where waiter.names.isEmpty { waiter.end() }
            waiting.removeAll(where: \.isOver)
        }
    }

    /// A page that waits for answers.
    @LoopActor
    private final class Waiter {
        var names: Set<String>
        var timer: (any ScheduledTimer)?
        private var continuation: CheckedContinuation<Void, Never>?

        init(names: Set<String>, _ continuation: CheckedContinuation<Void, Never>) {
            self.names = names
            self.continuation = continuation
        }

        var isOver: Bool { continuation == nil }

        func end() {
            timer?.cancel()
            continuation?.resume()
            continuation = nil
        }
    }
}
