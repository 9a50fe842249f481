import CommitProtocol
import HTTPServer
import HTTPTypes
import Testing

@testable import OperatorConsole
@testable import TransactionEngine

@Suite struct PageTests {
    private static let hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"

    /// A record in which every text that comes from outside is hostile.
    private var record: TransactionRecord {
        var record = Records.record(
            .needsOperator, .commit, gid: Self.hostile,
            labels: [TransactionRequest.Label(name: Self.hostile, value: Self.hostile)])
        record.branches = record.branches.map { branch in
            var hostile = BranchRecord(participant: Self.hostile, gid: Self.hostile)
            hostile.evidence = PreparedEvidence(
                transactionID: 1, owner: Self.hostile, systemIdentifier: Self.hostile, timeline: 1,
                location: Self.hostile)
            hostile.lastError = Self.hostile
            return hostile
        }
        record.branches[1].outcome = .heuristicRollback
        record.owner = Self.hostile
        record.resolutions = [
            Resolution(
                branch: 1, action: .committed, actor: Self.hostile, reason: Self.hostile,
                isForced: true)
        ]
        record.problem = Array(
            #"{"type":"/problems/<script>","title":"<script>","detail":"<img src=x>"}"#.utf8)
        return record
    }

    private func isSafe(_ markup: String) -> Bool {
        !markup.contains("<script") && !markup.contains("<img") && !markup.contains("\"'>")
    }

    @Test func escapesEveryTextOfATransaction() {
        let markup = Records.page(record)
        #expect(isSafe(markup))
        #expect(markup.contains("&lt;script&gt;"))
    }

    @Test func escapesEveryTextOfAList() {
        let page = TransactionListPage(
            items: [
                ("label", Self.hostile), ("state", Self.hostile), ("participant", Self.hostile),
            ],
            faults: [Self.hostile], page: RecordPage(records: [record], next: 3),
            participants: [Self.hostile], moment: Records.moment)
        #expect(isSafe(page.html.markup))
    }

    @Test func escapesEveryTextOfAParticipant() {
        var waiter = LockWaitReport.Party()
        waiter.applicationName = Self.hostile
        waiter.role = Self.hostile
        var blocker = LockWaitReport.Party()
        blocker.gid = Self.hostile
        let wait = LockWaitReport(
            participant: Self.hostile, waiter: waiter, blockers: [blocker], since: 0,
            relation: Self.hostile, row: Self.hostile)
        let found = PreparedInventory.Entry(
            gid: Self.hostile, transactionID: 1, transactionIDAge: 2, role: Self.hostile,
            database: Self.hostile, preparedAt: 0, ageSeconds: 1, claim: .otherRole,
            locks: [.init(type: Self.hostile, relation: nil, mode: Self.hostile)], lockCount: 1,
            blocked: [
                .init(
                    processID: 1, role: Self.hostile, applicationName: Self.hostile,
                    waitingSince: nil)
            ], blockedCount: 1)
        let entry = PreparedReport.Entry(
            found: found, kind: .foreign, transaction: nil, branch: nil, remedy: Self.hostile)
        let view = ParticipantView(
            status: ParticipantStatus(
                name: Self.hostile, isAvailable: true, isConnecting: false, poolSize: 1,
                connections: 1, idle: 1, slots: nil, lastError: Self.hostile,
                systemIdentifier: Self.hostile, timeline: 1, version: 1, circuit: .closed,
                failuresInARow: 0,
                hazards: Records.survey([
                    Hazard(.orphanTimeout, cause: Self.hostile, remedy: Self.hostile)
                ])),
            reported: [
                ReportedTransaction(
                    participant: Self.hostile, gid: Self.hostile, reason: Self.hostile,
                    remedy: Self.hostile, owner: Self.hostile, database: Self.hostile,
                    preparedAt: 0, isOurs: false, branch: nil)
            ],
            reading: ParticipantReading(
                at: 0, duration: 1,
                answer: .success(PreparedReport(observedAt: 0, entries: [entry], count: 1))))
        let page = ParticipantPage(
            participant: view, waits: WaitsReading(at: 0, duration: 1, answer: .success([wait])),
            moment: Records.moment, isReadOnly: false)
        #expect(isSafe(page.html.markup))
        let table = ParticipantTable(participants: [view], moment: Records.moment)
        #expect(isSafe(table.html.markup))
    }

    @Test func addsTheAgeOfAReadingToWhatItFound() {
        let reading = Records.reading(at: Records.moment.now - 60_000_000, ageSeconds: 30)
        let page = Records.page(
            Records.record(.committing, .commit), readings: ["users": reading])
        #expect(page.contains(">1 min 30 s</time>, in database"))
        #expect(page.contains(">1 min ago</time>)."))
        let table = PreparedTable(reading: reading, moment: Records.moment).html.markup
        #expect(table.contains(">1 min 30 s</time>"))
    }

    @Test func offersNoActionWhereThePageIsReadOnly() {
        #expect(Records.page(Records.record(.preparing)).contains("data-action=\"rollback\""))
        #expect(
            Records.page(Records.record(.committing, .commit)).contains("data-action=\"retry\""))
        for record in [Records.record(.preparing), Records.record(.committing, .commit), record] {
            let markup = Records.page(record, isReadOnly: true)
            #expect(!markup.contains("data-action"))
            #expect(!markup.contains("<dialog"))
        }
    }

    @Test func offersToResolveWhatWentAstray() {
        var record = Records.record(.needsOperator, .commit)
        record.branches[0].outcome = .committed
        record.branches[1].outcome = .heuristicRollback
        record.finishedAt = Records.acceptedAt + 1_500_000
        let markup = Records.page(record)
        #expect(markup.contains("data-branch=\"1\""))
        #expect(!markup.contains("data-branch=\"0\""))
        #expect(markup.contains("branch 1 in orders was rolled back"))
    }

    @Test func offersToResolveWhatIsPreparedWithoutARow() {
        let page = Records.participantPage(reported: [Records.reported()])
        #expect(page.contains("data-transaction=\"9-0000000000000001\""))
        #expect(page.contains("data-branch=\"3\""))
        #expect(page.contains("data-tag=\"*\""))
        #expect(page.contains("<dialog id=\"resolve-dialog\""))
    }

    @Test func offersNoResolutionOfWhatHasARowOrIsNotOurs() {
        let recorded = Records.participantPage(reported: [Records.reported(hasRow: true)])
        #expect(!recorded.contains("data-action"))
        #expect(recorded.contains("href=\"/transactions/9-0000000000000001\""))
        let foreign = Records.participantPage(reported: [Records.reported(isOurs: false)])
        #expect(!foreign.contains("data-action"))
        let readOnly = Records.participantPage(
            reported: [Records.reported()], isReadOnly: true)
        #expect(!readOnly.contains("data-action"))
        #expect(!readOnly.contains("<dialog"))
    }

    @Test func namesTheHazardsOfAServerAndWhatToDo() {
        #expect(Records.participantPage().contains("Not read yet."))
        #expect(
            Records.participantPage(hazards: []).contains(
                "Nothing that undoes two-phase commit was found on this server."))
        let page = Records.participantPage(hazards: [
            Hazard(.orphanTimeout, cause: "max_age = 60 s", remedy: "Turn it off."),
            Hazard(.fsyncOff, cause: "fsync = off", remedy: "Turn it on."),
        ])
        #expect(page.contains("class=\"notice bad\""))
        #expect(page.contains("It ends prepared transactions by their age."))
        #expect(page.contains("<code>max_age = 60 s</code>. Turn it off."))
        #expect(page.contains("class=\"notice retry\""))
        #expect(page.contains(">1 min ago</time>. 2,000,000,000 transaction ids are left"))
        #expect(page.contains("1 d at the pace of the last hour"))
    }

    @Test func drawsAnEndAgainstTheDecisionAsSuch() {
        var record = Records.record(.needsOperator, .commit)
        record.branches[0].outcome = .committed
        record.branches[1].outcome = .heuristicRollback
        let events = record.branches.indices.map {
            TimelineEvent(
                at: Records.acceptedAt + 1_500_000, .branchFinished, branch: $0, source: .replica)
        }
        let rows = TransactionCourse(
            record: record, events: events, replica: "replica-1", moment: Records.moment
        ).rows
        #expect(rows.dropFirst().map { $0.spans.last?.tone } == [.good, .bad])
    }

    @Test func endsAServersOwnWordsWithOneFullStop() {
        for reason in ["it ended", "it ended."] {
            #expect(Parts.unknown(reason).markup.contains("Not known: it ended.<"))
        }
    }

    @Test func everyPageForbidsWhatIsNotItsOwn() {
        let response = OperatorConsole.response(.ok, [])
        #expect(
            response.headerFields[.contentSecurityPolicy]
                == "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                + "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
        #expect(response.headerFields[.cacheControl] == "no-store")
        #expect(response.headerFields[.contentTypeOptions] == "nosniff")
        #expect(response.headerFields[.referrerPolicy] == "same-origin")
    }

    @Test func assetsAreKeptUnderTheirDigestAlone() throws {
        let assets = Assets()
        let parts = assets.style.text.split(separator: "/")
        #expect(parts.count == 3)
        let (digest, name) = (String(parts[1]), String(parts[2]))
        let found = try #require(assets.response(digest: digest, name: name))
        #expect(found.headerFields[.cacheControl] == "public, max-age=31536000, immutable")
        #expect(!found.body.isEmpty)
        #expect(assets.response(digest: "0", name: name) == nil)
        #expect(assets.response(digest: digest, name: "other.css") == nil)
    }
}
