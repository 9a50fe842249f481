import CoordinatorAPI
import Testing

@testable import tandem

@Suite("What is recorded can be read: status, lists, lines for shells")
struct ReadingTests {
    private static func get(_ testbed: Testbed, _ path: String, _ fields: String) async throws
        -> LoopbackHTTP.Answer
    {
        try await testbed.client.send(
            "GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\(fields)\r\n\r\n")
    }

    /// The ids in the lines of a page and of those that follow it by `Link`.
    private static func lines(_ testbed: Testbed, from path: String) async throws -> [String] {
        var ids: [String] = []
        var next: String? = path
        while let path = next, ids.count < 100 {
            let answer = try await get(testbed, path, "Accept: text/plain")
            for line in answer.body.split(separator: "\n") {
                ids += line.split(separator: "\t").prefix(1).map(String.init)
            }
            let link = try Testbed.answer(answer, isJSON: false).field("link")
            next = link?.split(separator: ">").first.map { String($0.dropFirst()) }
        }
        return ids
    }

    /// Begins and commits, and answers the id once the end is recorded: lists show no more than that,
    /// and a status that runs ahead of it has another entity tag.
    private static func commit(_ testbed: Testbed, _ user: String, _ label: String) async throws
        -> String
    {
        let answer = try await testbed.run(
            "INSERT INTO users VALUES ($1, 'x')", #"["\#(user)"]"#,
            #","labels":{"kind":"\#(label)"}"#)
        let id = try #require(answer.body["id"]?.string, "\(answer.text)")
        try await testbed.until("\(id) is recorded as committed") {
            let newest = try await testbed.get("/v1/transactions?limit=1&state=committed")
            return newest.body["transactions"]?[0]?["id"]?.string == id
        }
        return id
    }

    @Test("shows the course of a transaction, as JSON and as lines")
    func timeline() async throws {
        try await withTestbed { testbed in
            let id = try await Self.commit(testbed, "u1", "odd")
            let path = "/v1/transactions/\(id)/timeline"
            let timeline = try await testbed.get(path)
            #expect(timeline.status == 200)
            #expect(timeline.body["transaction"]?.string == id)
            let lines = try await Self.get(testbed, path, "Accept: text/plain").body
                .split(separator: "\n").map { $0.split(separator: "\t") }
            #expect(
                Set(lines.map { $0[1] }) == [
                    "accepted", "acceptanceRecorded", "workBegan", "workEnded", "decisionRequested",
                    "decided",
                    "branchFinished", "finished",
                ])
            #expect(lines.map { $0[0] } == lines.map { $0[0] }.sorted())
            #expect(lines.allSatisfy { $0[3] == "replica" })
            #expect(
                try await testbed.get("/v1/transactions/1-0000000000000001/timeline").status == 404)
            #expect(try await testbed.get(path + "?x=1").status == 400)
        }
    }

    @Test("pages from the newest to the oldest, each transaction once; filters; lines of text")
    func lists() async throws {
        try await withTestbed { testbed in
            var ids: [String] = []
            for number in 0..<5 {
                ids.append(
                    try await Self.commit(testbed, "u\(number)", number == 2 ? "even" : "odd"))
            }
            var seen: [String] = []
            var path = "/v1/transactions?limit=2"
            var pages = 0
            while pages < 5 {
                let page = try await testbed.get(path)
                for index in 0..<2 {
                    let item = page.body["transactions"]?[index]
                    if let id = item?["id"]?.string { seen.append(id) }
                }
                pages += 1
                guard let next = page.body["nextCursor"]?.string else { break }
                path = "/v1/transactions?limit=2&cursor=\(next)"
            }
            #expect(seen == ids.reversed())
            #expect(pages == 3)
            let labelled = try await Self.get(
                testbed, "/v1/transactions?label=kind:even&state=committed&participant=users",
                "Accept: text/plain")
            #expect(labelled.head.lowercased().contains("content-type: text/plain"))
            let line = labelled.body.split(separator: "\t", omittingEmptySubsequences: false)
            #expect(line.count == 4, "\(labelled.body)")
            #expect(line.first.map(String.init) == ids[2])
            #expect(line.last == "users\n")
            #expect(line.dropFirst().first == "committed")
            let lines = try await Self.lines(
                testbed, from: "/v1/transactions?limit=2&state=committed")
            #expect(lines == ids.reversed())
            let none = try await Self.get(
                testbed, "/v1/transactions?state=aborted", "Accept: text/plain")
            #expect(none.status == 200)
            #expect(none.body.isEmpty)
        }
    }

    @Test("an entity tag spares the body, a wait ends with the transaction, and 406 comes first")
    func one() async throws {
        try await withTestbed { testbed in
            let id = try await Self.commit(testbed, "u", "x")
            let path = "/v1/transactions/\(id)"
            let whole = try await testbed.get(path)
            let tag = try #require(whole.field("etag"))
            let same = try await Self.get(testbed, path, "If-None-Match: \(tag)")
            #expect(same.status == 304)
            #expect(same.body.isEmpty)
            let other = try await Self.get(testbed, path, "If-None-Match: \"other\"")
            #expect(other.status == 200)
            let line = try await Self.get(
                testbed, path, "Accept: text/plain, application/json;q=0.5")
            #expect(line.body.hasPrefix("\(id)\tcommitted\t"))
            // What was said in one of the two is no answer in the other.
            let lineTag = try #require(try Testbed.answer(line, isJSON: false).field("etag"))
            #expect(lineTag != tag)
            for (known, status) in [(tag, 200), (lineTag, 304)] {
                let answer = try await Self.get(
                    testbed, path, "Accept: text/plain\r\nIf-None-Match: \(known)")
                #expect(answer.status == status)
                #expect(answer.head.lowercased().contains("\r\nvary: accept"))
            }
            let ended = try await testbed.get(path + "?waitSeconds=60")
            #expect(ended.body["state"]?.string == "committed")
            let refused = try await testbed.client.send(
                "POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                    + "Accept: text/html\r\nContent-Type: application/json\r\n"
                    + "Content-Length: \(Testbed.pair("a", "b").utf8.count)\r\n\r\n"
                    + Testbed.pair("a", "b"))
            #expect(refused.status == 406)
            #expect(refused.body.contains("/problems/not-acceptable"))
            try await testbed.expectQuiet(users: 1, orders: 0)
        }
    }

    @Test("participants are listed in the order of the configuration")
    func participants() async throws {
        try await withTestbed { testbed in
            let list = try await testbed.get("/v1/participants").body["participants"]
            let names = [0, 1].map { list?[$0]?["name"]?.string }
            #expect(names == Sandbox.participantNames)
            #expect(names != names.sorted { ($0 ?? "") < ($1 ?? "") })
            let checks = try await testbed.get("/readyz?verbose").body["checks"]
            let examined = (0..<10).compactMap { checks?[$0]?["name"]?.string }
            #expect(
                examined.filter { $0.hasPrefix("participant ") }
                    == Sandbox.participantNames.map { "participant \($0)" })
        }
    }

    @Test("a wait that begins before the end is woken by it")
    func waiting() async throws {
        try await withTestbed { testbed in
            // The row is there from the acceptance: a key has it written before the work.
            let body =
                #"{"timeoutMilliseconds":60000,"branches":[{"participant":"users","statements":[{"#
                + #""sql":"\#(Testbed.waiting)"}]},{"participant":"orders","#
                + #""statements":[{"sql":"SELECT 1"}]}]}"#
            let client = testbed.client
            async let work = client.post("/v1/transactions", body, key: "w")
            try await testbed.untilRunning("DO ", in: "users")
            let list = try await testbed.get("/v1/transactions?idempotencyKey=w")
            let id = try #require(list.body["transactions"]?[0]?["id"]?.string)
            let before = try await testbed.get("/v1/transactions/\(id)?waitSeconds=0")
            #expect(before.status == 200)
            #expect(before.body["finishedAt"]?.string == nil)
            async let waiter = client.get("/v1/transactions/\(id)?waitSeconds=60")
            try await testbed.go("users")
            let waited = try await Testbed.answer(waiter)
            #expect(waited.body["state"]?.string == "committed")
            #expect(waited.field("etag") != before.field("etag"))
            _ = try await work
        }
    }
}
