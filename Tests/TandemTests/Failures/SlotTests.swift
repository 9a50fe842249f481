import CoordinatorAPI
import Foundation
import Glibc
import Testing

@testable import tandem

@Suite("Slots for prepared transactions: none left, none at all, taken by strangers", .serialized)
struct SlotTests {
    @Test("no slot left: 503 before any work, and service as soon as one is free")
    func exhausted() async throws {
        try await withTestbed(
            settings: ["transactions: { finishWaitMilliseconds: 1000 }"],
            servers: ["orders": ["max_prepared_transactions": "1"]]
        ) { testbed in
            let frozen = try await testbed.freezeFinishers(of: "orders")
            #expect(try await testbed.post(Testbed.pair("u1", "o1")).status == 202)
            let refused = try await testbed.post(Testbed.pair("u2", "o2"), key: "second")
            #expect(refused.status == 503)
            #expect(refused.type == "/problems/participant-slots-exhausted")
            #expect(refused.field("retry-after") == "1")
            #expect(refused.body["outcome"]?.string == "notAccepted")
            #expect(refused.body["participant"]?.string == "orders")
            // Nothing of it was begun anywhere: one row, and the other participant is at rest.
            #expect(
                try await testbed.value("state", "SELECT count(*) FROM tandem.transactions") == "1")
            #expect(
                try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts") == "0")
            #expect(try await testbed.value("users", "SELECT count(*) FROM users") == "1")
            for pid in frozen { kill(pid, SIGCONT) }
            try await testbed.until("the slot is free, and the key was not used up") {
                try await testbed.commits(Testbed.pair("u2", "o2"), key: "second")
            }
            try await testbed.expectQuiet(users: 2, orders: 2)
        }
    }

    @Test("prepared transactions are disabled: 503 that says so; other participants go on")
    func disabled() async throws {
        try await withTestbed(servers: ["orders": ["max_prepared_transactions": "0"]]) { testbed in
            let refused = try await testbed.post(Testbed.pair("u1", "o1"))
            #expect(refused.status == 503)
            #expect(refused.type == "/problems/prepared-transactions-disabled")
            #expect(refused.field("retry-after") == "60")
            #expect(refused.body["detail"]?.string?.contains("max_prepared_transactions") == true)
            #expect(refused.body["retryable"] == .bool(false))
            #expect(
                try await testbed.value("state", "SELECT count(*) FROM tandem.transactions") == "0")
            #expect(try await testbed.run("INSERT INTO users VALUES ('u2', 'x')").status == 201)
            try await testbed.expectQuiet(users: 1, orders: 0)
        }
    }

    @Test("strangers take the last slot during the work: an abort, and the next request is refused")
    func takenDuringTheWork() async throws {
        try await withTestbed(
            // No scan notices it.
            settings: ["transactions: { scanIntervalMilliseconds: 600000 }"],
            servers: ["orders": ["max_prepared_transactions": "1"]]
        ) { testbed in
            let client = testbed.client
            let request = Task { try await client.post("/v1/transactions", Self.slow) }
            try await testbed.untilRunning("DO", in: "orders")
            try await testbed.asStranger("orders", Self.strangers)
            try await testbed.go("orders")
            let aborted = try Testbed.answer(await request.value)
            #expect(aborted.status == 409)
            #expect(aborted.body["sqlstate"]?.string == "53200")
            #expect(aborted.body["participant"]?.string == "orders")
            #expect(aborted.body["outcome"]?.string == "aborted")
            #expect(aborted.body["retryable"] == .bool(true))
            try await expectRefusedUntilFree(testbed, rows: 1)
        }
    }

    @Test("strangers hold every slot when the replica starts: 503 before any work")
    func takenBefore() async throws {
        try await withTestbed(
            settings: ["transactions: { scanIntervalMilliseconds: 600000 }"],
            servers: ["orders": ["max_prepared_transactions": "1"]]
        ) { testbed in
            try await testbed.asStranger("orders", Self.strangers)
            try await testbed.startAgain()
            try await testbed.untilAvailable()
            try await expectRefusedUntilFree(testbed, rows: 0)
        }
    }

    @Test("strangers take every slot later: the scan notices")
    func takenMeanwhile() async throws {
        try await withTestbed(
            settings: ["transactions: { scanIntervalMilliseconds: 100 }"],
            servers: ["orders": ["max_prepared_transactions": "1"]]
        ) { testbed in
            try await testbed.asStranger("orders", Self.strangers)
            try await testbed.until("it is counted") {
                try await testbed.slots("orders")?["others"]?.integer == 1
            }
            try await expectRefusedUntilFree(testbed, rows: 0)
        }
    }

    /// A request with a key is refused before any work, and served when the stranger is gone.
    private func expectRefusedUntilFree(_ testbed: Testbed, rows: Int) async throws {
        let refused = try await testbed.post(Testbed.pair("u1", "o1"), key: "later")
        #expect(refused.status == 503)
        #expect(refused.type == "/problems/participant-slots-exhausted")
        #expect(refused.field("retry-after") == "1")
        #expect(refused.body["outcome"]?.string == "notAccepted")
        #expect(refused.body["participant"]?.string == "orders")
        #expect(refused.body["detail"]?.string?.contains("hold 0, and 1 are held") == true)
        #expect(
            try await testbed.value("state", "SELECT count(*) FROM tandem.transactions")
                == "\(rows)")
        let slots = try await testbed.slots("orders")
        #expect(slots?["inUse"]?.integer == 1)
        #expect(slots?["own"]?.integer == 0)
        #expect(slots?["others"]?.integer == 1)
        #expect(slots?["limit"]?.integer == 1)
        // The stranger's is not ours to touch.
        #expect(
            try await testbed.value("orders", "SELECT gid FROM pg_prepared_xacts") == "a stranger's"
        )
        try await testbed.asStranger("orders", ["ROLLBACK PREPARED 'a stranger''s'"])
        try await testbed.until("the slot is free, and the key was not used up") {
            try await testbed.commits(Testbed.pair("u1", "o1"), key: "later")
        }
        try await testbed.expectQuiet(users: 1, orders: 1)
    }

    private static let strangers = [
        "BEGIN", "INSERT INTO accounts VALUES ('s', 1)", "PREPARE TRANSACTION 'a stranger''s'",
    ]

    /// In `orders` it works until the test lets it go on.
    private static let slow = Testbed.request([
        Testbed.branch("users", "INSERT INTO users VALUES ('u0', 'x')"),
        Testbed.branch("orders", Testbed.waiting),
    ])
}

extension Testbed {
    fileprivate func slots(_ name: String) async throws -> JSONValue? {
        try await get("/v1/participants/\(name)").body["preparedSlots"]
    }
}
