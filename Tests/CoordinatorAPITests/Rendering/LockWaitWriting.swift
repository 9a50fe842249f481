import CommitProtocol
import Testing
import Yams

@testable import CoordinatorAPI
@testable import TransactionEngine

@Suite("What is shown of waits for locks")
struct LockWaitWriting {
    private typealias Party = LockWaitReport.Party

    private static func transaction(_ number: Int64, branch: Int? = 0) -> Party {
        var party = Party()
        party.transaction = GlobalTransactionID(number: number, salt: 1)
        party.branch = branch
        party.processID = Int32(number)
        party.role = "tandem"
        party.applicationName = "tandem"
        return party
    }

    private static func stranger(_ processID: Int32) -> Party {
        var party = Party()
        party.processID = processID
        party.role = "billing"
        party.applicationName = "nightly"
        return party
    }

    private static func wait(
        of waiter: Party, for blockers: [Party], since: Timestamp = 1,
        relation: String? = "public.t"
    ) -> LockWaitReport {
        LockWaitReport(
            participant: "users", waiter: waiter, blockers: blockers, since: since,
            relation: relation, row: relation == nil ? nil : "(0,1)")
    }

    private static func cycle(of count: Int64) -> LockCycle {
        LockCycle(
            waits: (0..<count).map { number in
                let others = (0..<20).map { stranger(Int32(1000 + $0)) }
                return wait(
                    of: transaction(number + 1),
                    for: others + [transaction((number + 1) % count + 1, branch: 1)])
            })
    }

    private static func record(attempt: Int = 1) -> TransactionRecord {
        var record = TransactionRecord(
            id: GlobalTransactionID(number: 1, salt: 1), principal: "anonymous",
            idempotency: .init(keyDigest: [1], requestDigest: [2]),
            isolation: .readCommitted, labels: [], owner: "replica-1", epoch: 1, acceptedAt: 0,
            deadline: 0, state: .aborted,
            branches: ["users", "orders"].map { BranchRecord(participant: $0, gid: "g-\($0)") })
        record.attempt = attempt
        return record
    }

    private static func problem(
        _ failure: BranchFailure, attempt: Int = 1
    ) throws -> JSONValue {
        try JSONReader.read(
            Problem(aborting: record(attempt: attempt), .refused(branch: 1), failure).render())
    }

    private static func count(_ value: JSONValue?) -> Int? {
        guard case .array(let elements)? = value else { return nil }
        return elements.count
    }

    @Test("a lost deadlock says what happened, what to do, and which transactions waited for which")
    func describesDeadlock() throws {
        let failure = BranchFailure(.deadlock(Self.cycle(of: 3)), statement: 2)
        let value = try Self.problem(failure)
        #expect(value["type"]?.string == "/problems/deadlock")
        #expect(value["retryable"] == .bool(true))
        #expect(value["outcome"]?.string == "aborted")
        #expect(value["branch"]?.integer == 1)
        #expect(value["statement"]?.integer == 2)
        #expect(
            value["detail"]?.string
                == "Statement 2 in orders waited for a lock in a cycle of 3 waits, each for the next "
                + "one's lock. tandem aborted this transaction, the youngest of tandem's in the cycle, "
                + "so that the others could go on. Try again with a new Idempotency-Key.")
        for number in 0..<3 {
            let wait = value["cycle"]?[number]
            let next = value["cycle"]?[(number + 1) % 3]
            // The next one in the cycle comes first, though 20 others block as well.
            #expect(wait?["blockers"]?[0]?["transaction"] == next?["waiter"]?["transaction"])
            #expect(wait?["blockers"]?[0]?["branch"]?.integer == 1)
            #expect(wait?["blockers"]?[1]?["processId"]?.integer == 1000)
            #expect(wait?["blockers"]?[1]?["role"]?.string == "billing")
            #expect(wait?["blockers"]?[1]?["applicationName"]?.string == "nightly")
            #expect(wait?["blockerCount"]?.integer == 21)
            #expect(wait?["relation"]?.string == "public.t")
            #expect(wait?["row"]?.string == "(0,1)")
        }
        let again = try Self.problem(failure, attempt: 3)
        #expect(
            again["detail"]?.string?.hasSuffix(
                " tandem ran the request 3 times; each run before this one lost to other "
                    + "transactions. Try again with a new Idempotency-Key.") == true)
    }

    @Test("a problem stays small, however long the cycle and the queue for a lock are")
    func boundsProblem() throws {
        let value = try Self.problem(BranchFailure(.deadlock(Self.cycle(of: 200))))
        #expect(value["detail"]?.string?.contains("a cycle of 200 waits") == true)
        #expect(Self.count(value["cycle"]) == 16)
        #expect(Self.count(value["cycle"]?[15]?["blockers"]) == 8)
    }

    @Test(
        "PostgreSQL's own deadlock and a serialization failure stay failed statements",
        arguments: ["40P01", "40001"])
    func keepsPostgresFailures(_ sqlState: String) throws {
        let report = BranchFailure.ServerReport(sqlState: sqlState, message: "no luck")
        let value = try Self.problem(
            BranchFailure(.statement, statement: 0, report: report), attempt: 2)
        #expect(value["type"]?.string == "/problems/statement-failed")
        #expect(value["sqlstate"]?.string == sqlState)
        #expect(value["retryable"] == .bool(true))
        #expect(
            value["detail"]?.string
                == "Statement 0 in orders failed: no luck. tandem ran the request 2 times; each run "
                + "before this one lost to other transactions. Try again with a new "
                + "Idempotency-Key.")
        #expect(value["cycle"] == nil)
    }

    @Test("the status of a run whose request ran again names the next run and asks for nothing")
    func linksRuns() throws {
        var record = Self.record()
        let lost = BranchFailure(.deadlock(Self.cycle(of: 2)))
        record.problem = OutcomeEncoding.json.problem(record, .refused(branch: 1), lost)
        #expect(try status(record)["problem"]?["retryable"] == .bool(true))
        record.retriedAs = GlobalTransactionID(number: 2, salt: 1)
        let value = try status(record)
        #expect(value["attempt"]?.integer == 1)
        #expect(value["retryOf"] == .null)
        #expect(value["retriedAs"]?.string == "\(GlobalTransactionID(number: 2, salt: 1))")
        #expect(value["problem"]?["type"]?.string == "/problems/deadlock")
        #expect(value["problem"]?["retryable"] == .bool(false))
        let detail = try #require(value["problem"]?["detail"]?.string)
        #expect(!detail.contains("Idempotency-Key"))
        #expect(
            detail.hasSuffix("could go on. tandem ran the request again, as 2-0000000000000001."))

        var next = Self.record(attempt: 2)
        next.retryOf = record.id
        #expect(try status(next)["retryOf"]?.string == "\(record.id)")
        #expect(try status(next)["attempt"]?.integer == 2)
        let list = try JSONReader.read(
            RecordRendering.json(RecordPage(records: [record], next: nil)))
        #expect(list["transactions"]?[0]?["retriedAs"] == value["retriedAs"])
        #expect(list["transactions"]?[0]?["branches"]?[0]?["waitsFor"] == nil)
    }

    private func status(
        _ record: TransactionRecord, waits: [LockWaitReport] = []
    ) throws -> JSONValue {
        try JSONReader.read(RecordRendering.json(record, LiveDetails(waits: waits)))
    }

    @Test("a branch that waits says since when, for what and for whom; another says null")
    func showsBranchWait() throws {
        let wait = Self.wait(of: Self.transaction(1, branch: 1), for: [Self.stranger(42)])
        let value = try status(Self.record(), waits: [wait])
        #expect(value["branches"]?[0]?["waitsFor"] == .null)
        let shown = value["branches"]?[1]?["waitsFor"]
        #expect(shown?["since"]?.string == "1970-01-01T00:00:00.000001Z")
        #expect(shown?["relation"]?.string == "public.t")
        #expect(shown?["blockers"]?[0]?["processId"]?.integer == 42)
        #expect(shown?["blockers"]?[0]?["transaction"] == .null)
    }

    @Test("lines for shells keep their columns, the longest wait first")
    func writesLines() {
        var prepared = LockWaitReport.Party()
        prepared.gid = "somebody's"
        let waits = [
            Self.wait(of: Self.stranger(7), for: [prepared], since: 2, relation: nil),
            Self.wait(
                of: Self.transaction(1), for: [Self.transaction(2), Self.stranger(9)],
                relation: "public.a\tb\n"),
        ]
        #expect(
            String(decoding: LockWaitRendering.lines(waits), as: UTF8.self) == """
                1970-01-01T00:00:00.000001Z\t1-0000000000000001/0\tpublic.a?b?\t(0,1)\t\
                2-0000000000000001/0,pid:9
                1970-01-01T00:00:00.000002Z\tpid:7\t-\t-\tsomebody's

                """)
    }

    @Test("the entity tag changes with the waits, and a condition of a rollback ignores them")
    func versionsWaits() {
        let one = [Self.wait(of: Self.transaction(1), for: [Self.stranger(9)])]
        let two = [Self.wait(of: Self.transaction(1), for: [Self.stranger(8)])]
        #expect(LiveDetails().version == "")
        #expect(LiveDetails(waits: one).version == LiveDetails(waits: one).version)
        #expect(LiveDetails(waits: one).version != LiveDetails(waits: two).version)
        for type in MediaType.ofLists {
            let version = "1-0000000000000001-preparing-0-0"
            let tag = EntityTag(version + LiveDetails(waits: one).version, of: type).text
            #expect(
                LiveDetails.removingVersions(from: tag) == EntityTag(version, of: type).text)
        }
    }

    @Test("each object has the members of the contract, in the same order")
    func matchesContract() throws {
        let contract = try Contract()
        func expect(_ value: JSONValue?, _ properties: [String]) {
            guard case .object(let members)? = value else {
                Issue.record("expected an object")
                return
            }
            #expect(members.map(\.name) == properties)
        }
        func properties(_ schema: String) throws -> [String] {
            Contract.names(try contract.schema(schema)["properties"])
        }
        let wait = Self.wait(of: Self.transaction(1), for: [Self.stranger(9)])
        let list = try JSONReader.read(LockWaitRendering.json([wait]))
        expect(list, try properties("LockWaitList"))
        expect(list["waits"]?[0], try properties("LockWait"))
        expect(list["waits"]?[0]?["waiter"], try properties("LockParty"))
        let value = try status(Self.record(), waits: [wait])
        expect(value, try properties("Transaction"))
        expect(value["branches"]?[0], try properties("Branch"))
        let branchWait = try contract.schema("BranchWait")["anyOf"]?[0]?["properties"]
        expect(value["branches"]?[0]?["waitsFor"], Contract.names(branchWait))
        let blockers = try contract.schema("Blockers")["maxItems"]?.int
        #expect(blockers == LockWaitRendering.blockersMax)
        let cycle = try contract.schema("Problem")["properties"]?["cycle"]?["maxItems"]?.int
        #expect(cycle == LockWaitRendering.cycleMax)
    }
}
