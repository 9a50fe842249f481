import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("Lists examine few rows, and find all that match", .timeLimit(.minutes(20)))
@LoopActor
struct ListTests {
    /// A filter, which rows match it, and how many rows of the table a page may examine.
    private struct Case {
        let name: String
        let numbers: [Int64]
        let examinedMax: Int
        var indexes: Set<String> = ["transactions_pkey"]
        let change: (inout RecordFilter) -> Void
    }

    /// A page examines so many rows by a filter that no index serves.
    private static let window = 451
    /// All unfinished rows, and all that need an operator or did.
    private static let unfinished = 6 * 20
    private static let ofOperator = 2 * 20
    private static let limit = 50

    private static var all: [Int64] { Array(1...ListedRows.count) }

    private static func ofQueue(_ queue: TransactionQueue, _ numbers: [Int64]) -> Case {
        let isOfOperator = queue == .needsOperator
        return Case(
            name: queue.rawValue, numbers: numbers,
            examinedMax: isOfOperator ? ofOperator : unfinished,
            indexes: [isOfOperator ? "transactions_operator" : "transactions_unfinished"]
        ) { $0.queue = queue }
    }

    private static let cases: [Case] = [
        // Without a filter there is nothing to look for.
        Case(name: "none", numbers: all, examinedMax: limit) { _ in },
        ofQueue(.running, ListedRows.numbers(1, 7)),
        ofQueue(.inDoubt, ListedRows.numbers(2)),
        ofQueue(.retrying, ListedRows.numbers(3, 8)),
        ofQueue(.needsOperator, ListedRows.numbers(4)),
        Case(
            name: "state=needsOperator", numbers: ListedRows.numbers(4, 5),
            examinedMax: ofOperator, indexes: ["transactions_operator"]
        ) { $0.states = [.needsOperator] },
        Case(
            name: "unfinished states", numbers: ListedRows.numbers(3, 6, 8),
            examinedMax: unfinished, indexes: ["transactions_unfinished"]
        ) { $0.states = [.committing, .aborting] },
        Case(
            name: "unfinished, accepted before",
            numbers: ListedRows.numbers(1, 2, 7).filter { $0 < 9000 },
            examinedMax: unfinished, indexes: ["transactions_unfinished"]
        ) {
            $0.states = [.preparing]
            $0.acceptedBefore = ListedRows.acceptedAt(9000)
        },
        Case(
            name: "key", numbers: [ListedRows.rare], examinedMax: 2, indexes: ["transactions_key"]
        ) { $0.keyDigest = ListedRows.digest },
        Case(
            name: "state=aborted", numbers: all.filter { $0 % 100 == 50 }, examinedMax: window
        ) { $0.states = [.aborted] },
        Case(name: "participant", numbers: [ListedRows.rare], examinedMax: window) {
            $0.participant = "rare"
        },
        Case(name: "label", numbers: [ListedRows.rare], examinedMax: window) {
            $0.labels = [.init(name: "service", value: "rare")]
        },
        Case(
            name: "accepted before", numbers: Array(1..<9000), examinedMax: window
        ) { $0.acceptedBefore = ListedRows.acceptedAt(9000) },
        Case(
            name: "principal", numbers: all.filter { $0 % 3 == 1 }, examinedMax: window
        ) { $0.principal = "p1" },
    ]

    private func withRows(
        _ body: @LoopActor @Sendable (PostgresDecisionLog) async throws -> Void
    ) async throws {
        try await withLog { _, log in
            try await ListedRows.fill(log.state)
            try await body(log)
        }
    }

    private func filter(
        _ one: Case, _ order: RecordFilter.Order, from cursor: Int64? = nil
    ) -> RecordFilter {
        var filter = RecordFilter()
        one.change(&filter)
        filter.order = order
        filter.cursor = cursor
        filter.limit = Self.limit
        // So that the last row of the first window, 19550 or 450, is an aborted one.
        filter.examinedMax = order == .newest ? Self.window : Self.window - 1
        return filter
    }

    @Test("every row that matches is on one page, in order, and the last page says so")
    func findsAll() async throws {
        try await withRows { log in
            for one in Self.cases {
                for order in RecordFilter.Order.allCases {
                    var found: [Int64] = []
                    var cursor: Int64?
                    var pageCount = 0
                    repeat {
                        let filter = filter(one, order, from: cursor)
                        let page = try await log.records(filter)
                        #expect(page.records.count <= Self.limit)
                        found += page.records.map(\.id.number)
                        cursor = page.next
                        pageCount += 1
                    } while cursor != nil && pageCount < 1000
                    let expected = order == .oldest ? one.numbers : one.numbers.reversed()
                    #expect(found == expected, "\(one.name) \(order)")
                }
            }
        }
    }

    /// A page looks at the rows between its ends, and at the same ones' index entries to find the end.
    @Test("no page scans the table, or more of an index than it may")
    func examinesFew() async throws {
        try await withRows { log in
            for one in Self.cases {
                for order in RecordFilter.Order.allCases {
                    for cursor in [nil, 12_345] as [Int64?] {
                        let query = ListQuery(filter(one, order, from: cursor))
                        let plan = try await ExecutedPlan(
                            of: query.sql, query.parameters, on: log.state)
                        let name: Comment = "\(one.name) \(order) from \(cursor ?? 0): \(plan)"
                        #expect(!plan.scans.contains("Seq Scan"), name)
                        #expect(plan.indexes == one.indexes, name)
                        #expect(plan.examined <= Double(2 * one.examinedMax), name)
                    }
                }
            }
        }
    }

    @Test("a row that cannot be read is passed over, and does not end the list")
    func passesOverUnreadable() async throws {
        try await withRows { log in
            _ = try await log.state.read(
                "UPDATE tandem.transactions SET outcomes = '{committed}' WHERE number > $1::bigint",
                ["\(ListedRows.count - 60)"])
            var filter = RecordFilter()
            filter.limit = Self.limit
            let first = try await log.records(filter)
            #expect(first.records.isEmpty)
            #expect(first.next == ListedRows.count - Int64(Self.limit) + 1)
            filter.cursor = first.next
            let second = try await log.records(filter)
            #expect(second.records.first?.id.number == ListedRows.count - 60)
        }
    }

    @Test("queues are counted by index, up to a bound, and the oldest of each is found")
    func countsQueues() async throws {
        try await withRows { log in
            let plan = try await ExecutedPlan(
                of: PostgresDecisionLog.queues(countMax: 10_000), [], on: log.state)
            #expect(!plan.scans.contains("Seq Scan"), "\(plan)")
            #expect(plan.indexes == ["transactions_unfinished", "transactions_operator"])
            #expect(plan.examined <= Double(Self.unfinished + Self.ofOperator), "\(plan)")

            func expectQueues(
                countMax: Int, _ counts: [Int], isExact: [Bool], oldest: [Int64]
            ) async throws {
                let queues = try await log.queues(countMax: countMax)
                #expect(queues.map(\.queue) == [.running, .retrying, .inDoubt, .needsOperator])
                #expect(queues.map(\.count) == counts)
                #expect(queues.map(\.isCountExact) == isExact)
                #expect(queues.map { $0.oldest?.id.number ?? 0 } == oldest)
                #expect(
                    queues.compactMap(\.oldest).map(\.acceptedAt)
                        == oldest.filter { $0 > 0 }.map(ListedRows.acceptedAt))
            }
            let whole = [40, 40, 20, 20]
            let (all, none) = ([true, true, true, true], [false, false, false, false])
            try await expectQueues(countMax: 10_000, whole, isExact: all, oldest: [1, 3, 2, 4])
            // There are 120 unfinished ones.
            try await expectQueues(countMax: 120, whole, isExact: all, oldest: [1, 3, 2, 4])
            try await expectQueues(
                countMax: 119, [40, 39, 20, 20], isExact: [false, false, false, true],
                oldest: [1, 3, 2, 4])
            // As many need an operator, and those that an operator has resolved do not count.
            try await expectQueues(
                countMax: 20, [7, 6, 4, 20], isExact: [false, false, false, true],
                oldest: [1, 3, 2, 4])
            try await expectQueues(countMax: 2, [1, 0, 1, 2], isExact: none, oldest: [1, 0, 2, 4])
        }
    }

    @Test("without rows every queue is empty, exactly")
    func countsNothing() async throws {
        try await withLog { _, log in
            let queues = try await log.queues(countMax: 10)
            #expect(queues.map(\.count) == [0, 0, 0, 0])
            #expect(queues.allSatisfy { $0.isCountExact && $0.oldest == nil })
            #expect(try await log.records(RecordFilter()).records.isEmpty)
        }
    }

    /// Else each decision would write into every index.
    @Test("a decision changes no index")
    func decisionsStayOnTheirPage() async throws {
        try await withLog { cluster, log in
            for number in 0..<20 {
                var record = try await log.unacceptedRecord(
                    in: "users", .init(keyDigest: [UInt8(number)], requestDigest: [2]))
                #expect(await log.perform(LogWrite(.accept, of: record)) == .accepted)
                record.decidedAt = 1
                #expect(await log.perform(LogWrite(.decide(.commit), of: record)).isKnown)
            }
            // A session reports its counts when it is idle.
            let limit = ContinuousClock.now + .seconds(300)
            var counts = ""
            while counts != "20|20", ContinuousClock.now < limit {
                counts = try await cluster.psql(
                    """
                    SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables
                    WHERE relname = 'transactions'
                    """)
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(counts == "20|20")
        }
    }
}
