import CommitProtocol
import Testing

/// The reads before a final state is reported.
@Suite struct FinishInquiryTests {
    private static func branches(_ commitModes: CommitMode...) -> [FinishInquiry.Branch] {
        commitModes.map { FinishInquiry.Branch(commitMode: $0, outcome: nil) }
    }

    @Test func readsEveryPreparedBranch() {
        var inquiry = FinishInquiry()
        let branches = Self.branches(.journal, .twoPhase, .readOnly, .twoPhase)
        #expect(inquiry.read(.committing, branches, isRecorded: false) == .readBranch(1))
        #expect(inquiry.read(.committed) == .readBranch(3))
        #expect(inquiry.read(.committed) == .report(.committed))
    }

    @Test func reportsCommittingForOneOpenBranch() {
        var inquiry = FinishInquiry()
        let branches = Self.branches(.twoPhase, .twoPhase)
        #expect(inquiry.read(.committing, branches, isRecorded: false) == .readBranch(0))
        #expect(inquiry.read(.open) == .report(.committing))
    }

    @Test func awaitsRecordForSilentBranch() {
        var inquiry = FinishInquiry()
        let branches = Self.branches(.twoPhase, .twoPhase)
        #expect(inquiry.read(.committing, branches, isRecorded: false) == .readBranch(0))
        #expect(inquiry.read(.silent) == .awaitRecord)
        #expect(inquiry.read(.committed, branches, isRecorded: false) == .report(.committed))
    }

    @Test(arguments: Outcome.allCases.filter { !$0.isAsDecided })
    func neverReportsCommittedWithHeuristicOutcome(_ outcome: Outcome) {
        for commitMode in CommitMode.allCases {
            var inquiry = FinishInquiry()
            let branches = [
                FinishInquiry.Branch(commitMode: .twoPhase, outcome: .committed),
                FinishInquiry.Branch(commitMode: commitMode, outcome: outcome),
            ]
            let next = inquiry.read(.committing, branches, isRecorded: false)
            #expect(next == .report(.committing))
        }
    }

    @Test func skipsKnownBranches() {
        var inquiry = FinishInquiry()
        let branches = [FinishInquiry.Branch(commitMode: .twoPhase, outcome: .committed)]
        #expect(inquiry.read(.committing, branches, isRecorded: false) == .report(.committed))
        #expect(
            inquiry.read(.committing, Self.branches(.onePhase, .readOnly), isRecorded: false)
                == .report(.committed))
    }

    @Test(arguments: TransactionState.allCases)
    func confirmsStatesThatOnlyRecordsProve(_ state: TransactionState) {
        var inquiry = FinishInquiry()
        let isOnlyRecorded = state == .aborted || state == .needsOperator
        #expect(FinishInquiry.mayReportBeforeRecord(state) != isOnlyRecorded)
        guard state != .committing else { return }
        let next = inquiry.read(state, Self.branches(.twoPhase), isRecorded: false)
        #expect(next == (isOnlyRecorded ? .confirmRow : .report(state)))
        #expect(inquiry.read(state, [], isRecorded: true) == .report(state))
    }
}
