import CommitProtocol
import Testing
import TransactionEngine

@testable import OperatorConsole

@Suite struct TextTests {
    @Test(arguments: [
        (0, "0 µs"), (950, "950 µs"), (4_500, "4.5 ms"), (12_900, "12 ms"), (1_000_000, "1 s"),
        (5_140_000, "5.1 s"), (60_000_000, "1 min"), (192_000_000, "3 min 12 s"),
        (3_700_000_000, "1 h 1 min"), (180_000_000_000, "2 d 2 h"), (-5, "0 µs"),
    ])
    func spans(microseconds: Int64, text: String) {
        #expect(TimeText.span(microseconds: microseconds) == text)
    }

    @Test(arguments: [(0, "0"), (999, "999"), (1_000, "1,000"), (-12_345_678, "-12,345,678")])
    func groupsDigits(value: Int, text: String) {
        #expect(grouped(value) == text)
    }

    @Test(arguments: [
        (0.0, "0"), (1.5, "1.5"), (12.25, "12.25"), (3.05, "3.05"), (-0.5, "-0.5"), (0.004, "0"),
    ])
    func coordinates(value: Double, text: String) {
        #expect(number(value) == text)
    }

    private func word(_ record: TransactionRecord, after seconds: Int64 = 2) -> String {
        Standing(record, now: Records.acceptedAt + seconds * 1_000_000).word
    }

    @Test func namesWhereATransactionStands() {
        #expect(word(Records.record(.preparing)) == "preparing")
        #expect(word(Records.record(.preparing), after: 11) == "in doubt")
        #expect(word(Records.record(.committing, .commit)) == "committing")
        var failing = Records.record(.committing, .commit)
        failing.branches[1].lastError = "cannot connect"
        #expect(word(failing) == "retrying, committing")
        var held = Records.record(.preparing)
        held.isHeld = true
        #expect(word(held) == "held")
        #expect(word(Records.record(.needsOperator)) == "needs an operator")
        var astray = Records.record(.needsOperator, .commit)
        astray.branches[1].outcome = .heuristicRollback
        #expect(word(astray) == "needs an operator")
        astray.resolutions = [
            Resolution(branch: 1, action: .committed, actor: "ada", reason: "", isForced: true)
        ]
        #expect(word(astray) == "ended against the decision")
    }

    @Test func noDeadlineAbortsWhatACommitPointDecides() {
        var record = Records.record(.preparing)
        record.branches[1] = BranchRecord(
            participant: "orders", gid: "tandem:i:7:1", commitMode: .onePhase)
        record.isDelegated = true
        #expect(word(record, after: 1) == "preparing")
        let second = Standing(record, now: Records.acceptedAt + 2_000_000)
        #expect(second.word == "in doubt")
        #expect(second.description == "Its commit point was asked, and its answer is not recorded.")
        #expect(second.advice.hasPrefix("The database of orders is its commit point"))
        for seconds in [1, 2] as [Int64] {
            let standing = Standing(record, now: Records.acceptedAt + seconds * 1_000_000)
            #expect(!(standing.description + standing.advice).contains("deadline"))
        }
        #expect(word(record, after: 11) == "in doubt")
    }

    @Test func aTimelineSaysInWordsWhatItDraws() {
        let markup = Records.page(Records.record(.committing, .commit))
        #expect(markup.contains("undecided for 1 s from 0"))
        #expect(markup.contains("committing from +1 s until now, for 1 s"))
        var finished = Records.record(.committed, .commit)
        finished.finishedAt = Records.acceptedAt + 1_100_000
        #expect(Records.page(finished).contains("replica-1 does not know its times"))
    }

    @Test func aTimelineHasWhatEachBranchDid() {
        func event(
            _ moment: TransactionTimeline.Moment, _ branch: Int?, _ seconds: Int64
        ) -> TimelineEvent {
            TimelineEvent(
                at: Records.acceptedAt + seconds * 100_000, moment, branch: branch, source: .replica
            )
        }
        var record = Records.record(.committing, .commit)
        record.branches[0].outcome = .committed
        let markup = Records.page(
            record,
            events: [
                event(.takenOver, nil, 1), event(.workBegan, 0, 1), event(.workBegan, 1, 2),
                event(.workEnded, 0, 4), event(.workEnded, 1, 6), event(.decided, nil, 12),
                event(.branchFinished, 0, 14), event(.attemptFailed, 1, 15),
            ])
        #expect(markup.contains("Branch 0: users"))
        #expect(markup.contains("work for 300 ms from +100 ms; commit for 200 ms from +1.2 s"))
        #expect(
            markup.contains(
                "work for 400 ms from +200 ms; commit from +1.2 s until now, for 800 ms; last "
                    + "attempt failed at +1.5 s"))
        #expect(markup.contains("taken over by replica-1 at +100 ms"))
    }
}
