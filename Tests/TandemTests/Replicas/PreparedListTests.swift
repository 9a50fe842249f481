import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

@Suite("The prepared transactions of a participant's server, as an operator sees them")
struct PreparedListTests {
    private func entries(_ testbed: Testbed) async throws -> [JSONValue] {
        let answer = try await testbed.get("/v1/participants/users/prepared")
        #expect(answer.status == 200)
        guard case .array(let entries)? = answer.body["preparedTransactions"] else { return [] }
        return entries
    }

    private func entry(_ gid: String, _ testbed: Testbed) async throws -> JSONValue {
        try #require(try await entries(testbed).first { $0["gid"]?.string == gid })
    }

    @Test("our own, an orphan, another installation's and another program's, with what they block")
    func kinds() async throws {
        try await withTestbed { testbed in
            try await testbed.untilAvailable()
            let users = try testbed.cluster("users")
            let installation = try #require(
                try await testbed.value("state", "SELECT id FROM tandem.installation"))
            let orphan = "tandem:\(installation):900001-00000000000000ab:0"
            let distant = "tandem:00000000-0000-4000-8000-000000000001:1-00000000000000ab:0"
            _ = try await users.psql(LeftToOperatorTests.prepare("billing", "b"))
            _ = try await users.psql(LeftToOperatorTests.prepare(distant, "d"))
            // A branch is prepared, and another one works until the test lets it end.
            let client = testbed.client
            let body =
                #"{"timeoutMilliseconds":60000,"branches":[{"participant":"users","statements":"#
                + #"[{"sql":"INSERT INTO users VALUES ('own', 'x')"}]},{"participant":"orders","#
                + #""statements":[{"sql":"\#(Testbed.waiting)"}]}]}"#
            let request = Task { try await client.post("/v1/transactions", body) }
            try await testbed.untilRunning("DO", in: "orders")
            var gid: String?
            try await testbed.until("our branch is prepared") {
                gid = try await entries(testbed).first { $0["kind"]?.string == "own" }?["gid"]?
                    .string
                return gid != nil
            }
            _ = try await users.psql(LeftToOperatorTests.prepare(orphan, "o"))

            let blocked = Task { try await users.psql("INSERT INTO users VALUES ('own', 'y')") }
            let own = try #require(gid)
            try await testbed.until("a session is blocked") {
                try await entry(own, testbed)["blockedCount"] == .number("1")
            }
            try await expectKinds(own, orphan, distant, testbed)
            #expect(
                try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts") == "4")

            try await testbed.cluster("state").stop(.immediate)
            try await testbed.until("the state database is gone") {
                try await entry(own, testbed)["remedy"]?.string?.hasPrefix(
                    "Leave it: tandem cannot read now") == true
            }
            try await testbed.cluster("state").restart()
            try await testbed.go("orders")
            #expect([201, 202, 503].contains(try await request.value.status))
            // Whether ours commits or not, the stranger goes on when it has ended.
            _ = await blocked.result
        }
    }

    private func expectKinds(
        _ own: String, _ orphan: String, _ distant: String, _ testbed: Testbed
    ) async throws {
        let ours = try await entry(own, testbed)
        let id = try #require(ours["transaction"]?.string)
        #expect(own.contains(id))
        #expect(ours["branch"] == .number("0"))
        #expect(ours["role"]?.string == "postgres")
        #expect(ours["database"]?.string == "postgres")
        #expect(ours["remedy"]?.string?.contains("nothing is decided yet") == true)
        #expect(ours["locks"]?[0]?["relation"]?.string == "public.users")
        #expect(ours["locks"]?[0]?["mode"]?.string == "RowExclusiveLock")
        #expect(ours["locks"]?[0]?["granted"] == .bool(true))
        let session = ours["blocks"]?[0]
        #expect(session?["processId"]?.integer != nil)
        #expect(session?["role"]?.string == "postgres")
        #expect(session?["waitingSince"]?.string != nil)

        for (gid, kind, words) in [
            (orphan, "orphan", "rolls it back by itself"),
            (distant, "otherInstallation", "00000000-0000-4000-8000-000000000001"),
            ("billing", "foreign", "does not know what was decided"),
        ] {
            let found = try await entry(gid, testbed)
            #expect(found["kind"]?.string == kind)
            #expect(found["remedy"]?.string?.contains(words) == true)
            #expect(found["blocks"] == .array([]))
        }
        let body = try await testbed.get("/v1/participants/users/prepared").body
        #expect(body["count"] == .number("4"))
        #expect(body["oldestXmin"]?["gid"]?.string == "billing")
        let text = try await testbed.client.send(
            "GET /v1/participants/users/prepared HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                + "Accept: text/plain\r\n\r\n"
        ).body
        let lines = text.split(separator: "\n").map { $0.split(separator: "\t") }
        #expect(lines.map(\.count) == [7, 7, 7, 7])
        let line = try #require(lines.first { $0[0] == own })
        #expect([line[1], line[3], line[4], line[6]] == ["own", "postgres", "postgres", "1"])
    }
}
