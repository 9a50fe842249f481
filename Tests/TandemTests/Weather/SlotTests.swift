import CoordinatorAPI
import Foundation
import Glibc
import Testing

@testable import tandem

@Suite("Slots for prepared transactions: none left, none at all, taken by strangers")
struct SlotTests {
    @Test("no slot left: 503 before any work, and service as soon as one is free")
    func exhausted() async throws {
        try await onStage(
            settings: ["transactions: { finishWaitMilliseconds: 1000 }"],
            servers: ["orders": ["max_prepared_transactions": "1"]]
        ) { stage in
            let frozen = try await stage.freezeFinishers(of: "orders")
            #expect(try await stage.post(Stage.pair("u1", "o1")).status == 202)
            let refused = try await stage.post(Stage.pair("u2", "o2"), key: "second")
            #expect(refused.status == 503)
            #expect(refused.type == "/problems/participant-slots-exhausted")
            #expect(refused.field("retry-after") == "1")
            #expect(refused.body["outcome"]?.string == "notAccepted")
            #expect(refused.body["participant"]?.string == "orders")
            // Nothing of it was begun anywhere: one row, and the other participant is at rest.
            #expect(
                try await stage.value("state", "SELECT count(*) FROM tandem.transactions") == "1")
            #expect(
                try await stage.value("users", "SELECT count(*) FROM pg_prepared_xacts") == "0")
            #expect(try await stage.value("users", "SELECT count(*) FROM users") == "1")
            for pid in frozen { kill(pid, SIGCONT) }
            try await stage.until("the slot is free, and the key was not used up") {
                try await stage.commits(Stage.pair("u2", "o2"), key: "second")
            }
            try await stage.expectQuiet(users: 2, orders: 2)
        }
    }

    @Test("prepared transactions are disabled: 503 that says so; other participants go on")
    func disabled() async throws {
        try await onStage(servers: ["orders": ["max_prepared_transactions": "0"]]) { stage in
            let refused = try await stage.post(Stage.pair("u1", "o1"))
            #expect(refused.status == 503)
            #expect(refused.type == "/problems/prepared-transactions-disabled")
            #expect(refused.field("retry-after") == "60")
            #expect(refused.body["detail"]?.string?.contains("max_prepared_transactions") == true)
            #expect(refused.body["retryable"] == .bool(false))
            #expect(
                try await stage.value("state", "SELECT count(*) FROM tandem.transactions") == "0")
            #expect(try await stage.run("INSERT INTO users VALUES ('u2', 'x')").status == 201)
            try await stage.expectQuiet(users: 1, orders: 0)
        }
    }

    @Test("strangers hold every slot: an abort at PREPARE, and both branches are rolled back")
    func takenByStrangers() async throws {
        try await onStage(servers: ["orders": ["max_prepared_transactions": "1"]]) { stage in
            try await stage.asStranger(
                "orders",
                [
                    "BEGIN", "INSERT INTO accounts VALUES ('s', 1)",
                    "PREPARE TRANSACTION 'a stranger''s'",
                ])
            let aborted = try await stage.post(Stage.pair("u1", "o1"))
            #expect(aborted.status == 409)
            #expect(aborted.body["sqlstate"]?.string == "53200")
            #expect(aborted.body["participant"]?.string == "orders")
            #expect(aborted.body["outcome"]?.string == "aborted")
            #expect(aborted.body["retryable"] == .bool(true))
            // The stranger's is not ours to touch.
            #expect(
                try await stage.value("orders", "SELECT gid FROM pg_prepared_xacts")
                    == "a stranger's")
            try await stage.asStranger("orders", ["ROLLBACK PREPARED 'a stranger''s'"])
            try await stage.expectQuiet(users: 0, orders: 0)
            #expect(try await stage.post(Stage.pair("u1", "o1")).status == 201)
            try await stage.expectQuiet(users: 1, orders: 1)
        }
    }
}
