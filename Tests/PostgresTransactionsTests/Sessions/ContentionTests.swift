import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("Contended branches")
@LoopActor
struct ContentionTests {
    /// A clock that stands still until a test moves it.
    private final class ManualClock: Sendable {
        private let instant = Lock(ContinuousClock.now)
        var now: ContinuousClock.Instant { instant.withLock { $0 } }

        func advance(by duration: Duration) { instant.withLock { $0 += duration } }
    }

    private let clock = ManualClock()

    private func table(countMax: Int = 1024) -> Contention {
        Contention(countMax: countMax) { [clock] in clock.now }
    }

    private func isContended(_ shape: Int, in contention: Contention) -> Bool {
        contention.containsAny(of: [
            SessionRequest(participant: "b", commitMode: .twoPhase, shape: 99),
            SessionRequest(participant: "a", commitMode: .twoPhase, shape: shape),
        ])
    }

    @Test("are known by participant and shape")
    func known() {
        let contention = table()
        #expect(!isContended(1, in: contention))
        #expect(contention.note(1, in: "a"))
        #expect(isContended(1, in: contention))
        #expect(!isContended(2, in: contention))
        #expect(contention.note(2, in: "b"))
        #expect(!isContended(2, in: contention))
    }

    @Test("are forgotten 5 s after they were last seen")
    func forgotten() {
        let contention = table()
        #expect(contention.note(1, in: "a"))
        clock.advance(by: .seconds(4))
        #expect(!contention.note(1, in: "a"))
        clock.advance(by: .seconds(4))
        #expect(isContended(1, in: contention))
        clock.advance(by: .seconds(1))
        #expect(!isContended(1, in: contention))
    }

    @Test("are remembered twice as long if they are seen again soon, up to a minute")
    func seenAgain() {
        let contention = table()
        for memory in [5, 10, 20, 40, 60, 60] {
            #expect(contention.note(1, in: "a"))
            clock.advance(by: .seconds(memory) - .milliseconds(1))
            #expect(isContended(1, in: contention))
            clock.advance(by: .milliseconds(1))
            #expect(!isContended(1, in: contention))
        }
        // Nothing is left of it after as long again.
        clock.advance(by: .seconds(60))
        #expect(!isContended(1, in: contention))
        #expect(contention.count == 0)
        #expect(contention.note(1, in: "a"))
        clock.advance(by: .seconds(5))
        #expect(!isContended(1, in: contention))
    }

    @Test("are bounded in number: the one that was seen the longest time ago makes room")
    func bounded() {
        let contention = table(countMax: 3)
        for shape in 1...3 {
            #expect(contention.note(shape, in: "a"))
            clock.advance(by: .milliseconds(1))
        }
        #expect(!contention.note(1, in: "a"))
        #expect(contention.note(4, in: "a"))
        #expect(contention.count == 3)
        #expect([1, 2, 3, 4].map { isContended($0, in: contention) } == [true, false, true, true])
    }

    @Test("include no branch with the same SQL that names another row")
    func otherRow() {
        let contention = table()
        let patterns = BranchPattern.found(
            of: transfer(of: 10, from: 7), among: [transfer(of: 20, from: 7)])
        #expect(patterns.map(contention.note) == [true])
        #expect(contention.containsAny(of: [transfer(of: 30, from: 7)]))
        #expect(!contention.containsAny(of: [transfer(of: 10, from: 8)]))
        #expect(!contention.containsAny(of: [transfer(of: 7, from: 8)]))
    }

    @Test("have in common what all that block them have")
    func patterns() {
        func matches(_ rivals: [SessionRequest], _ request: SessionRequest) -> Bool? {
            BranchPattern.found(of: transfer(of: 10, from: 7), among: rivals).first?
                .matches(request)
        }
        // An amount that one of them shares by chance does not count.
        let two = [transfer(of: 10, from: 7), transfer(of: 20, from: 7)]
        #expect(matches(two, transfer(of: 5, from: 7)) == true)
        // One that all of them share makes the pattern narrower, and not wrong.
        #expect(matches([two[0]], transfer(of: 5, from: 7)) == false)
        #expect(matches([two[0]], transfer(of: 10, from: 7)) == true)
        // Other SQL may name the row at another place.
        let other = SessionRequest(
            participant: "a", commitMode: .twoPhase, shape: 2, parameters: [7])
        #expect(matches([other], transfer(of: 5, from: 7)) == true)
        #expect(matches([other], other) == false)
        // Nothing in common: the SQL alone.
        #expect(matches([transfer(of: 1, from: 2)], transfer(of: 3, from: 4)) == true)
        // Nothing known of who blocks it, or a closure on either side.
        let closure = SessionRequest(participant: "a", commitMode: .twoPhase)
        #expect(matches([], transfer(of: 10, from: 7)) == nil)
        #expect(matches([closure], transfer(of: 10, from: 7)) == nil)
        #expect(BranchPattern.found(of: closure, among: two).isEmpty)
    }

    @Test("with different SQL that name one row pass one gate; those that name none pass none")
    func gates() {
        let contention = table()
        let (debit, credit) = (transfer(of: 10, from: 7), transfer(of: 20, from: 7, shape: 2))
        // The other's SQL is known by this as well.
        #expect(
            BranchPattern.found(of: debit, among: [credit]).map(contention.note) == [true, true])
        let found = contention.find([debit, transfer(of: 5, from: 8), credit])
        #expect(found.gates.count == 1)
        #expect(found.gates(of: 0).first === found.gates(of: 2).first)
        #expect(found.gates(of: 1).isEmpty)
        #expect(!found.sharesSessions)
        // Another row, and a pattern that has this row's value and one more.
        let other = [transfer(of: 1, from: 8), transfer(of: 2, from: 8)]
        #expect(BranchPattern.found(of: other[0], among: [other[1]]).map(contention.note) == [true])
        #expect(BranchPattern.found(of: debit, among: [debit]).map(contention.note) == [true])
        #expect(contention.find([other[0]]).gates.first !== found.gates.first)
        #expect(contention.find([debit]).gates.count == 2)
        #expect(contention.find([transfer(of: 11, from: 7)]).gates.count == 1)
    }

    @Test("without parameters have the row in their SQL; with different values they name none")
    func unnamed() {
        let contention = table()
        let fixed = SessionRequest(participant: "a", commitMode: .twoPhase, shape: 3)
        #expect(BranchPattern.found(of: fixed, among: [fixed]).map(contention.note) == [true])
        #expect(contention.find([fixed]).gates.count == 1)
        #expect(!contention.find([fixed]).sharesSessions)
        let patterns = BranchPattern.found(
            of: transfer(of: 1, from: 2), among: [transfer(of: 3, from: 4)])
        #expect(patterns.map(contention.note) == [true])
        let found = contention.find([transfer(of: 5, from: 6)])
        #expect(found.sharesSessions)
        #expect(found.gates.isEmpty)
    }

    private func transfer(of amount: Int, from account: Int, shape: Int = 1) -> SessionRequest {
        SessionRequest(
            participant: "a", commitMode: .twoPhase, shape: shape, parameters: [amount, account])
    }
}

extension Contention {
    /// Notes all branches of this shape.
    fileprivate func note(_ shape: Int, in participant: String) -> Bool {
        note(
            BranchPattern(
                sqlOf: SessionRequest(
                    participant: participant, commitMode: .twoPhase, shape: shape)))
    }
}
