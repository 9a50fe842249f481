import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("Each prepared transaction has its kind and its remedy")
@LoopActor
struct PreparedInspectionTests {
    private static let gid = "tandem:8b7e1c0e-0000-4000-8000-000000000001:1-0000000000000001:0"
    private let bench = Bench()

    private func find(
        _ gid: String, claim: PreparedTransaction.Claim = .ours, isFromBefore: Bool = false,
        standing: RowStanding? = nil
    ) async throws -> PreparedReport.Entry {
        bench.participants.state.withLock {
            $0.inventory = PreparedInventory(
                entries: [
                    PreparedInventory.Entry(
                        gid: gid, transactionID: 7, transactionIDAge: 1, role: "tandem",
                        database: "users", preparedAt: 1, ageSeconds: 5, claim: claim,
                        isFromBefore: isFromBefore)
                ], count: 1)
        }
        bench.log.state.withLock { $0.standings = standing.map { [Bench.id: $0] } ?? [:] }
        let report = try await bench.engine.preparedTransactions(in: "users")
        #expect(report.count == 1)
        #expect(report.oldest?.gid == gid)
        return try #require(report.entries.first)
    }

    private func standing(_ row: RecoveryPlan.Row, _ decision: Decision?) -> RowStanding {
        RowStanding(row: row, decision: decision, gids: [Self.gid])
    }

    @Test("ours, by what its row says")
    func own() async throws {
        let cases: [(RowStanding, String)] = [
            (standing(.owned, nil), "Leave it: nothing is decided yet. GET /v1/transactions/1-"),
            (standing(.owned, .commit), "The decision is to commit, and tandem commits it"),
            (standing(.adoptable, .abort), "The decision is to abort, and tandem rolls it back"),
            (standing(.finished(.abort), .abort), "Leave it: its transaction was aborted"),
            (
                standing(.finished(.commit), .commit),
                "Find out how the other branches were finished"
            ),
        ]
        for (standing, beginning) in cases {
            let entry = try await find(Self.gid, standing: standing)
            #expect(entry.kind == .own)
            #expect(entry.transaction == Bench.id)
            #expect(entry.branch == 0)
            #expect(entry.remedy.hasPrefix(beginning), "\(entry.remedy)")
            #expect(!entry.remedy.contains("PREPARED"))
        }
    }

    @Test("under another role, SQL is shown only as the decision has it")
    func otherRole() async throws {
        let commit = try await find(
            Self.gid, claim: .otherRole, standing: standing(.owned, .commit))
        #expect(commit.remedy.contains("COMMIT PREPARED '\(Self.gid)'"))
        #expect(!commit.remedy.contains("ROLLBACK"))
        let undecided = try await find(
            Self.gid, claim: .otherDatabase, standing: standing(.owned, nil))
        #expect(!undecided.remedy.contains("PREPARED"))
    }

    @Test("ours by name alone: rolled back later, unless its row may be lost")
    func orphan() async throws {
        let young = try await find(Self.gid)
        #expect(young.kind == .orphan)
        #expect(young.transaction == Bench.id)
        #expect(young.remedy.contains("tandem rolls it back by itself once it is older than 60 s"))
        let old = try await find(Self.gid, isFromBefore: true)
        #expect(old.kind == .orphan)
        #expect(old.remedy.hasPrefix("Find out how the other branches were finished"))
        #expect(!old.remedy.contains("PREPARED"))
        let unnamed = try await find(
            Self.gid, standing: RowStanding(row: .owned, decision: nil, gids: ["another"]))
        #expect(unnamed.kind == .orphan)
    }

    @Test(
        "another's is not ours to end",
        arguments: [
            (
                "tandem:00000000-0000-4000-8000-000000000002:1-0000000000000001:0",
                PreparedReport.Kind.otherInstallation, "00000000-0000-4000-8000-000000000002"
            ),
            ("tandem-library:c:1-0000000000000001:0.2", .otherInstallation, "`tandem logless`"),
            ("billing", .foreign, "does not know what was decided"),
            (
                "tandem:8b7e1c0e-0000-4000-8000-000000000001:1-1:0", .foreign,
                "does not know what was decided"
            ),
        ])
    func strangers(_ gid: String, _ kind: PreparedReport.Kind, _ words: String) async throws {
        let entry = try await find(gid)
        #expect(entry.kind == kind)
        #expect(entry.transaction == nil)
        #expect(entry.branch == nil)
        #expect(entry.remedy.contains(words), "\(entry.remedy)")
        #expect(!entry.remedy.contains("PREPARED"))
    }

    @Test("where the state database does not answer, nothing is to be done about ours")
    func unreadable() async throws {
        bench.log.state.withLock { $0.isUnreachable = true }
        let entry = try await find(Self.gid)
        #expect(entry.kind == .own)
        #expect(entry.remedy.hasPrefix("Leave it: tandem cannot read now"))
        #expect(entry.remedy.contains("it is gone"))
        let foreign = try await find("billing")
        #expect(foreign.kind == .foreign)
    }

    @Test("an overview needs the state database, and has every queue and replica that it knows")
    func overview() async throws {
        let queue = QueueSummary(
            queue: .inDoubt, count: 1, isCountExact: true,
            oldest: .init(id: Bench.id, acceptedAt: 5))
        bench.log.state.withLock { $0.queues = [queue] }
        let overview = try await bench.engine.overview()
        #expect(overview.replica == "here")
        #expect(overview.queues == [queue])
        bench.log.state.withLock { $0.isUnreachable = true }
        await #expect(throws: LogUnavailable.self) { try await bench.engine.overview() }
        await #expect(throws: LogUnavailable.self) { try await bench.engine.replicas() }
    }
}
