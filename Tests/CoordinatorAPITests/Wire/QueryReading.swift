import CommitProtocol
import Testing
import TransactionEngine

@testable import CoordinatorAPI

@Suite("Queries")
struct QueryReading {
    private func list(_ items: [(String, String)]) throws(Problem) -> RecordFilter {
        try TransactionListQuery.decode(items.map { (name: $0.0, value: $0.1) })
    }

    /// The names of the parameters that are wrong.
    private func issues(_ items: [(String, String)]) -> [String] {
        do throws(Problem) {
            _ = try list(items)
            return []
        } catch {
            return error.issues.map { issue in
                if case .parameter(let name) = issue.place { name } else { "?" }
            }
        }
    }

    @Test("Without parameters: the first fifty of all")
    func none() throws {
        #expect(try list([]) == RecordFilter())
        #expect(try list([]).limit == 50)
    }

    @Test("All filters")
    func all() throws {
        let query = try list([
            ("state", "aborted"), ("state", "committed"), ("participant", "users"),
            ("label", "service:checkout"), ("label", "a:b:c"), ("label", "empty:"),
            ("label", "mark:\u{301}b"), ("label", "tone:\u{1F3FB}"),
            ("acceptedBefore", "2026-03-01T12:00:00Z"), ("idempotencyKey", "\"order \\\"1\\\"\""),
            ("cursor", "4711"), ("limit", "200"), ("queue", "inDoubt"), ("order", "oldest"),
        ])
        #expect(query.states == [.committed, .aborted])
        #expect(query.participant == "users")
        #expect(
            query.labels == [
                .init(name: "service", value: "checkout"), .init(name: "a", value: "b:c"),
                .init(name: "empty", value: ""), .init(name: "mark", value: "\u{301}b"),
                .init(name: "tone", value: "\u{1F3FB}"),
            ])
        #expect(query.acceptedBefore == 1_772_366_400_000_000)
        #expect(try query.keyDigest == IdempotencyKey.read("\"order \\\"1\\\"\"")?.digest)
        #expect(query.cursor == 4711)
        #expect(query.queue == .inDoubt)
        #expect(query.order == .oldest)
        #expect(query.limit == 200)
    }

    @Test(
        "The next page has the same filters and another cursor",
        arguments: [
            (nil, "/v1/transactions?cursor=7"), ("", "/v1/transactions?cursor=7"),
            ("cursor=9", "/v1/transactions?cursor=7"),
            ("label=a:%3Eb&c%75rsor=9&limit=5", "/v1/transactions?label=a:%3Eb&limit=5&cursor=7"),
            ("label=a:>b<", "/v1/transactions?label=a:%3Eb%3C&cursor=7"),
        ])
    func next(_ query: String?, _ target: String) {
        #expect(TransactionListQuery.target(query, at: "7") == target)
    }

    @Test("One answer names everything that is wrong")
    func wrong() {
        #expect(
            issues([
                ("stat", "x"), ("limit", "1"), ("limit", "2"), ("state", "done"),
                ("participant", "Users"), ("label", "nocolon"), ("label", ":v"),
                ("acceptedBefore", "60"),
                ("idempotencyKey", ""), ("cursor", "aZ09-_"), ("queue", "stuck"), ("order", "up"),
            ]) == [
                "stat", "limit", "state", "queue", "participant", "label", "label",
                "acceptedBefore", "idempotencyKey", "order", "cursor",
            ])
    }

    @Test(
        "A key is quoted as the header has it, or bare",
        arguments: [
            ("k-1", "k-1"), ("\"k-1\"", "k-1"), (" a b ", " a b "), ("\" a b \"", " a b "),
            ("\"a \\\"b\\\\\"", "a \"b\\"), ("'a'", "'a'"), ("a;b=1", "a;b=1"), ("a,b", "a,b"),
        ])
    func key(_ text: String, _ content: String) throws {
        let key = try #require(IdempotencyKey.read(query: text))
        #expect(key.text == content)
        #expect(try list([("idempotencyKey", text)]).keyDigest == key.digest)
    }

    @Test(
        "Half a quoted key is neither",
        arguments: [
            "", "\"\"", "\"k", "k\"", "a \"b\"", "a\\b", "\"a\\n\"", "\"k\";a=1", "\"a\", \"b\"",
            "é",
            String(repeating: "k", count: 256), "\"\(String(repeating: "k", count: 256))\"",
        ])
    func noKey(_ text: String) {
        #expect(issues([("idempotencyKey", text)]) == ["idempotencyKey"])
    }

    @Test(
        "Numbers of a page",
        arguments: ["0", "201", "-1", "+5", " 5", "5.0", "", "1e1", "99999999999999999999999"])
    func limits(_ text: String) {
        #expect(issues([("limit", text)]) == ["limit"])
    }

    @Test("Waiting and verbosity")
    func others() throws {
        #expect(try TransactionQuery.waitSeconds([]) == 0)
        #expect(try TransactionQuery.waitSeconds([(name: "waitSeconds", value: "60")]) == 60)
        #expect(throws: Problem.self) {
            try TransactionQuery.waitSeconds([(name: "waitSeconds", value: "61")])
        }
        #expect(throws: Problem.self) { try TransactionQuery.waitSeconds([(name: "x", value: "")]) }
        #expect(try HealthQuery.isVerbose([(name: "verbose", value: "")]))
        #expect(try !HealthQuery.isVerbose([(name: "verbose", value: "false")]))
        #expect(try !HealthQuery.isVerbose([]))
        #expect(throws: Problem.self) {
            try HealthQuery.isVerbose([(name: "verbose", value: "yes")])
        }
        try NoQuery.require([])
        #expect(throws: Problem.self) { try NoQuery.require([(name: "a", value: "b")]) }
    }
}
