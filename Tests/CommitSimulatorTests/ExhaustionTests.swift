import CommitSimulator
import Testing

/// Every history with few faults; `make simulate` takes more of them.
@Suite struct ExhaustionTests {
    @Test(arguments: [
        ["twoPhase", "twoPhase"], ["twoPhase", "readOnly"], ["onePhase", "readOnly"],
        ["journal", "twoPhase"],
    ])
    func noHistoryWithOneFaultBreaksARule(_ commitModes: [String]) {
        for overlapping in [false, true] {
            let result = Exhaustion.search(
                commitModes: commitModes, overlapping: overlapping, faults: 1)
            #expect(result.violation == nil, "\(result.trail.joined(separator: "\n"))")
            #expect(result.states > 100)
            #expect(result.ends > 5)
        }
    }

    /// Mistakes that one or two faults bring to light.
    @Test(arguments: [
        BrokenWorld.noFence, .noCompareAndSet, .readNotClaimed, .tombstoneNotWritten,
        .evidenceNotDurable,
    ])
    func aMistakeIsFound(_ broken: BrokenWorld) {
        let result = Exhaustion.search(
            commitModes: ["twoPhase", "twoPhase"], overlapping: true, faults: 2, broken: broken)
        #expect(result.violation != nil)
        #expect(!result.trail.isEmpty)
    }
}
