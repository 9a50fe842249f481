import CommitProtocol
import CoordinatorAPI
import Testing

@testable import OperatorConsole
@testable import TransactionEngine

@Suite struct OverviewTests {
    private func participant(
        reported: [ReportedTransaction] = [], isAvailable: Bool = true, hazards: [Hazard]? = nil
    ) -> ParticipantView {
        ParticipantView(
            status: Records.status("users", isAvailable: isAvailable, hazards: hazards),
            reported: reported, reading: nil)
    }

    /// An overview.
    private func page(
        _ participant: ParticipantView, inDoubt: Int = 0, quarantine: String? = nil,
        stateHazards: [Hazard]? = nil
    ) -> String {
        OverviewPage(
            queues: [
                QueueView(kind: .inDoubt, count: inDoubt, isAtLeast: false, records: [])
            ],
            stateFailure: nil,
            readiness: Readiness(
                stateFailure: nil, isDraining: false, quarantineReason: quarantine),
            stateHazards: stateHazards.map(Records.survey), age: 0,
            activity: RecentActivity(clock: HandClock(milliseconds: 0)).report(),
            inFlight: 0, participants: [participant], replicas: [], replica: "replica-1",
            moment: Records.moment
        ).html.markup
    }

    /// The headline of an overview.
    private func headline(
        _ participant: ParticipantView, inDoubt: Int = 0, quarantine: String? = nil
    ) -> String {
        let markup = page(participant, inDoubt: inDoubt, quarantine: quarantine)
        let start = markup.firstRange(of: "data-headline=\"")?.upperBound ?? markup.endIndex
        return String(markup[start...].prefix { $0 != "\"" })
    }

    @Test func isGoodOnlyIfNothingIsLeftToAnOperator() {
        #expect(headline(participant()) == "Nothing needs an operator.")
        #expect(
            headline(participant(reported: [Records.reported()]))
                == "1 prepared transaction is left to an operator.")
        #expect(
            headline(participant(), quarantine: "it was restored")
                == "The state database is in quarantine.")
    }

    @Test func namesFirstWhatWaitsForAnOperator() {
        #expect(
            headline(participant(reported: [Records.reported()], isAvailable: false), inDoubt: 1)
                == "1 prepared transaction is left to an operator.")
        #expect(headline(participant(isAvailable: false), inDoubt: 1) == "users does not answer.")
        #expect(headline(participant(), inDoubt: 1) == "1 transaction is in doubt.")
    }

    @Test func warnsOfServersThatContradictDecisions() {
        let undoes = Hazard(.scheduledJob, cause: "job 1", remedy: "Remove it.")
        let loses = Hazard(.fsyncOff, cause: "fsync = off", remedy: "Turn it on.")
        #expect(
            headline(participant(hazards: [loses, undoes]), inDoubt: 1)
                == "On the server of users is what undoes two-phase commit.")
        #expect(headline(participant(hazards: [loses])) == "Nothing needs an operator.")
        let markup = page(participant(), stateHazards: [loses])
        #expect(markup.contains("The state database&#39;s server: Its commits are not durable."))
        #expect(markup.contains("Turn it on."))
    }
}
