import CommitProtocol
import CoordinatorAPI
import Testing

@testable import OperatorConsole
@testable import TransactionEngine

@Suite struct OverviewTests {
    private let reported = ReportedTransaction(
        participant: "users", gid: "tandem:i:9:0", reason: "nothing proves its outcome",
        remedy: "Look at the data.", owner: "tandem", database: "users", preparedAt: 0, isOurs: true
    )

    private func participant(
        reported: [ReportedTransaction] = [], isAvailable: Bool = true
    ) -> ParticipantView {
        ParticipantView(
            status: Records.status("users", isAvailable: isAvailable), reported: reported,
            reading: nil)
    }

    /// The headline of an overview.
    private func headline(
        _ participant: ParticipantView, inDoubt: Int = 0, quarantine: String? = nil
    ) -> String {
        let page = OverviewPage(
            queues: [
                QueueView(kind: .inDoubt, count: inDoubt, isAtLeast: false, records: [])
            ],
            stateFailure: nil,
            readiness: Readiness(
                stateFailure: nil, isDraining: false, quarantineReason: quarantine),
            age: 0, activity: RecentActivity(clock: HandClock(milliseconds: 0)).report(),
            inFlight: 0, participants: [participant], replicas: [], replica: "replica-1",
            moment: Records.moment)
        let markup = page.html.markup
        let start = markup.firstRange(of: "data-headline=\"")?.upperBound ?? markup.endIndex
        return String(markup[start...].prefix { $0 != "\"" })
    }

    @Test func isGoodOnlyIfNothingIsLeftToAnOperator() {
        #expect(headline(participant()) == "Nothing needs an operator.")
        #expect(
            headline(participant(reported: [reported]))
                == "1 prepared transaction is left to an operator.")
        #expect(
            headline(participant(), quarantine: "it was restored")
                == "The state database is in quarantine.")
    }

    @Test func namesFirstWhatWaitsForAnOperator() {
        #expect(
            headline(participant(reported: [reported], isAvailable: false), inDoubt: 1)
                == "1 prepared transaction is left to an operator.")
        #expect(headline(participant(isAvailable: false), inDoubt: 1) == "users does not answer.")
        #expect(headline(participant(), inDoubt: 1) == "1 transaction is in doubt.")
    }
}
