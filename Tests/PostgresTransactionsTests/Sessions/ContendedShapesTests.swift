import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("Contended shapes")
struct ContendedShapesTests {
    /// A clock that stands still until a test moves it.
    private final class ManualClock: Sendable {
        private let instant = Lock(ContinuousClock.now)
        var now: ContinuousClock.Instant { instant.withLock { $0 } }

        func advance(by duration: Duration) { instant.withLock { $0 += duration } }
    }

    private let clock = ManualClock()

    private func table(countMax: Int = 1024) -> ContendedShapes {
        ContendedShapes(countMax: countMax) { [clock] in clock.now }
    }

    private func isContended(_ shape: Int, in shapes: ContendedShapes) -> Bool {
        shapes.containsAny(of: [
            SessionRequest(participant: "b", commitMode: .twoPhase, shape: 99),
            SessionRequest(participant: "a", commitMode: .twoPhase, shape: shape),
        ])
    }

    @Test("are known by participant and shape")
    func known() {
        let shapes = table()
        #expect(!isContended(1, in: shapes))
        #expect(shapes.note(1, in: "a"))
        #expect(isContended(1, in: shapes))
        #expect(!isContended(2, in: shapes))
        #expect(shapes.note(2, in: "b"))
        #expect(!isContended(2, in: shapes))
    }

    @Test("are forgotten after 5 s, from the last time on that they were seen waiting")
    func forgotten() {
        let shapes = table()
        #expect(shapes.note(1, in: "a"))
        clock.advance(by: .seconds(4))
        #expect(!shapes.note(1, in: "a"))
        clock.advance(by: .seconds(4))
        #expect(isContended(1, in: shapes))
        clock.advance(by: .seconds(1))
        #expect(!isContended(1, in: shapes))
    }

    @Test("are remembered twice as long if they are seen again soon, up to a minute")
    func seenAgain() {
        let shapes = table()
        for memory in [5, 10, 20, 40, 60, 60] {
            #expect(shapes.note(1, in: "a"))
            clock.advance(by: .seconds(memory) - .milliseconds(1))
            #expect(isContended(1, in: shapes))
            clock.advance(by: .milliseconds(1))
            #expect(!isContended(1, in: shapes))
        }
        // Nothing is left of it after as long again.
        clock.advance(by: .seconds(60))
        #expect(!isContended(1, in: shapes))
        #expect(shapes.count == 0)
        #expect(shapes.note(1, in: "a"))
        clock.advance(by: .seconds(5))
        #expect(!isContended(1, in: shapes))
    }

    @Test("are bounded in number: the one that was seen the longest time ago makes room")
    func bounded() {
        let shapes = table(countMax: 3)
        for shape in 1...3 {
            #expect(shapes.note(shape, in: "a"))
            clock.advance(by: .milliseconds(1))
        }
        #expect(!shapes.note(1, in: "a"))
        #expect(shapes.note(4, in: "a"))
        #expect(shapes.count == 3)
        #expect([1, 2, 3, 4].map { isContended($0, in: shapes) } == [true, false, true, true])
    }

    @Test("never include that of closures")
    func closures() {
        let shapes = table()
        #expect(!shapes.note(0, in: "a"))
        #expect(!isContended(0, in: shapes))
    }
}
