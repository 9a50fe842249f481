import Foundation
import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("Closures with statements prepared before a migration")
    struct MigrationTests {
        private static let tables = """
            CREATE TABLE mig (id int, a int); INSERT INTO mig VALUES (1, 2);
            CREATE SEQUENCE calls
            """

        @Test(
            "their first call is made again with all of it prepared anew", arguments: [true, false])
        func firstCall(log: Bool) async throws {
            try await withTestbed(log: log) { testbed in
                _ = try await testbed.users.psql(Self.tables)
                try await testbed.coordinate { coordinator in
                    func read() async throws -> [[String]] {
                        let reader = Participant(testbed.usersDatabase) { tx in
                            let rows = try await tx.query([
                                SQLStatement("SELECT * FROM mig"),
                                SQLStatement("SELECT * FROM mig WHERE id = 1"),
                            ])
                            try await tx.execute("SELECT nextval('calls')")
                            return rows.map(\.columns)
                        }
                        return try await coordinator.run(reader, testbed.order(UUID().uuidString))
                            .value.0
                    }
                    let before = ["id", "a"]
                    for _ in 1...6 { #expect(try await read() == [before, before]) }
                    _ = try await testbed.users.psql("ALTER TABLE mig ADD COLUMN b int")
                    let after = before + ["b"]
                    for _ in 1...3 { #expect(try await read() == [after, after]) }
                    // The closures ran once.
                    #expect(try await testbed.users.psql("SELECT last_value FROM calls") == "9")
                    try await testbed.expectQuiet(users: 0, orders: 9)
                }
            }
        }

        @Test("the first call accepts a value for a parameter whose type changed")
        func parameter() async throws {
            try await withTestbed { testbed in
                _ = try await testbed.users.psql("CREATE TABLE m (v int)")
                try await testbed.coordinate { coordinator in
                    func insert(_ value: String) async throws {
                        let writer = Participant(testbed.usersDatabase) { tx in
                            try await tx.execute("INSERT INTO m VALUES ($1)", value)
                        }
                        _ = try await coordinator.run([writer])
                    }
                    for _ in 1...3 { try await insert("1") }
                    _ = try await testbed.users.psql("ALTER TABLE m ALTER v TYPE text")
                    try await insert("one")
                    #expect(
                        try await testbed.users.psql("SELECT count(*) FROM m WHERE v = 'one'")
                            == "1")
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test("a closure's own ALTER applies to its next calls")
        func ownAlteration() async throws {
            try await withTestbed { testbed in
                _ = try await testbed.users.psql(Self.tables)
                try await testbed.coordinate { coordinator in
                    for number in 1...3 {
                        let changing = Participant(testbed.usersDatabase) { tx in
                            let before = try await tx.query("SELECT * FROM mig").columns.count
                            try await tx.execute("ALTER TABLE mig ADD COLUMN c\(number) int")
                            return try await tx.query("SELECT * FROM mig").columns.count - before
                        }
                        #expect(try await coordinator.run([changing]).value == [1])
                    }
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        /// The closure has already seen the results of earlier calls.
        @Test("a later call fails once, not once per session")
        func laterCall() async throws {
            try await withTestbed { testbed in
                _ = try await testbed.users.psql(Self.tables)
                try await testbed.coordinate({ $0.databases[0].connections = 2 }) { coordinator in
                    // Both closures run at once, so that each has one of the two sessions.
                    func readTwice() async throws {
                        let meeting = Meeting(of: 2)
                        try await withThrowingTaskGroup(of: Void.self) { group in
                            for _ in 1...2 {
                                group.addTask {
                                    _ = try await coordinator.run([
                                        Self.reader(testbed) { await meeting.join() }
                                    ])
                                }
                            }
                            try await group.waitForAll()
                        }
                    }
                    for _ in 1...2 { try await readTwice() }
                    _ = try await testbed.users.psql("ALTER TABLE mig ADD COLUMN b int")
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([Self.reader(testbed) {}])
                    }
                    guard case .aborted(let aborted) = error else {
                        Issue.record("\(String(describing: error))")
                        return
                    }
                    #expect((aborted.workError as? BranchError)?.server?.sqlState == "0A000")
                    try await readTwice()
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        private static func reader(
            _ testbed: Testbed, _ pause: @escaping @Sendable () async -> Void
        ) -> Participant<Void> {
            Participant(testbed.usersDatabase) { tx in
                try await tx.execute("SELECT 1")
                await pause()
                _ = try await tx.query("SELECT * FROM mig")
                _ = try await tx.query("SELECT * FROM mig WHERE id = 1")
            }
        }
    }
}

/// A barrier.
private actor Meeting {
    private var missing: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(of count: Int) { missing = count }

    func join() async {
        missing -= 1
        guard missing > 0 else {
            for one in waiting { one.resume() }
            return waiting = []
        }
        await withCheckedContinuation { waiting.append($0) }
    }
}
