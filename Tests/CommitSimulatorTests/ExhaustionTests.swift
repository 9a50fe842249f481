import CommitSimulator
import Testing

/// Searches every history with few faults; `make simulate` allows more.
@Suite struct ExhaustionTests {
    @Test(arguments: [
        ["twoPhase", "twoPhase"], ["twoPhase", "readOnly"], ["onePhase", "readOnly"],
        ["journal", "twoPhase"],
    ])
    func noHistoryWithOneFaultBreaksRule(_ commitModes: [String]) {
        for overlapping in [false, true] {
            let result = Exhaustion.search(
                commitModes: commitModes, overlapping: overlapping, faults: 1)
            #expect(result.violation == nil, "\(result.trail.joined(separator: "\n"))")
            #expect(result.states > 100)
            #expect(result.ends > 5)
        }
    }

    /// Mistakes that one or two faults reveal.
    @Test(arguments: [
        BrokenWorld.noFence, .noCompareAndSet, .readNotClaimed, .tombstoneNotWritten,
        .evidenceNotDurable,
    ])
    func findsMistake(_ broken: BrokenWorld) {
        let result = Exhaustion.search(
            commitModes: ["twoPhase", "twoPhase"], overlapping: true, faults: 2, broken: broken)
        #expect(result.violation != nil)
        #expect(!result.trail.isEmpty)
    }
}
