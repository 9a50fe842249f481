import CommitProtocol
import Testing

/// What is looked at before an end is told.
@Suite struct EndInquiryTests {
    private static func branches(_ commitModes: CommitMode...) -> [EndInquiry.Branch] {
        commitModes.map { EndInquiry.Branch(commitMode: $0, outcome: nil) }
    }

    @Test func aCommitIsLookedForInEveryBranchThatIsPrepared() {
        var inquiry = EndInquiry()
        let branches = Self.branches(.journal, .twoPhase, .readOnly, .twoPhase)
        #expect(inquiry.read(.committing, branches, isRecorded: false) == .look(branch: 1))
        #expect(inquiry.saw(.committed) == .look(branch: 3))
        #expect(inquiry.saw(.committed) == .tell(.committed))
    }

    @Test func oneOpenBranchIsEnough() {
        var inquiry = EndInquiry()
        let branches = Self.branches(.twoPhase, .twoPhase)
        #expect(inquiry.read(.committing, branches, isRecorded: false) == .look(branch: 0))
        #expect(inquiry.saw(.open) == .tell(.committing))
    }

    @Test func theRecordIsAllThatTellsWhereABranchIsSilent() {
        var inquiry = EndInquiry()
        let branches = Self.branches(.twoPhase, .twoPhase)
        #expect(inquiry.read(.committing, branches, isRecorded: false) == .look(branch: 0))
        #expect(inquiry.saw(.silent) == .awaitRecord)
        #expect(inquiry.read(.committed, branches, isRecorded: false) == .tell(.committed))
    }

    @Test(arguments: Outcome.allCases.filter { !$0.isAsDecided })
    func aBranchThatDidNotEndAsDecidedIsNeverSeenAsCommitted(_ outcome: Outcome) {
        for commitMode in CommitMode.allCases {
            var inquiry = EndInquiry()
            let branches = [
                EndInquiry.Branch(commitMode: .twoPhase, outcome: .committed),
                EndInquiry.Branch(commitMode: commitMode, outcome: outcome),
            ]
            let next = inquiry.read(.committing, branches, isRecorded: false)
            #expect(next == .tell(.committing))
        }
    }

    @Test func whatIsKnownIsNotLookedFor() {
        var inquiry = EndInquiry()
        let branches = [EndInquiry.Branch(commitMode: .twoPhase, outcome: .committed)]
        #expect(inquiry.read(.committing, branches, isRecorded: false) == .tell(.committed))
        #expect(
            inquiry.read(.committing, Self.branches(.onePhase, .readOnly), isRecorded: false)
                == .tell(.committed))
    }

    @Test(arguments: TransactionState.allCases)
    func anEndThatNothingElseProvesIsConfirmed(_ state: TransactionState) {
        var inquiry = EndInquiry()
        let isOnlyRecorded = state == .aborted || state == .needsOperator
        #expect(EndInquiry.isReportedAhead(state) != isOnlyRecorded)
        guard state != .committing else { return }
        let next = inquiry.read(state, Self.branches(.twoPhase), isRecorded: false)
        #expect(next == (isOnlyRecorded ? .confirmRow : .tell(state)))
        #expect(inquiry.read(state, [], isRecorded: true) == .tell(state))
    }
}
