import Testing

@testable import CoordinatorAPI

@Suite("Queries")
struct QueryReading {
    private func list(_ items: [(String, String)]) throws(Problem) -> TransactionListQuery {
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
        #expect(try list([]) == TransactionListQuery())
        #expect(try list([]).limit == 50)
    }

    @Test("All filters")
    func all() throws {
        let query = try list([
            ("state", "aborted"), ("state", "committed"), ("participant", "users"),
            ("label", "service:checkout"), ("label", "a:b:c"), ("label", "empty:"),
            ("label", "mark:\u{301}b"), ("label", "tone:\u{1F3FB}"),
            ("olderThan", "2026-03-01T12:00:00Z"), ("idempotencyKey", "\"order \\\"1\\\"\""),
            ("cursor", "aZ09-_"), ("limit", "200"),
        ])
        #expect(query.states == ["committed", "aborted"])
        #expect(query.participant == "users")
        #expect(
            query.labels == [
                .init(name: "service", value: "checkout"), .init(name: "a", value: "b:c"),
                .init(name: "empty", value: ""), .init(name: "mark", value: "\u{301}b"),
                .init(name: "tone", value: "\u{1F3FB}"),
            ])
        #expect(query.olderThan?.text == "2026-03-01T12:00:00.000000Z")
        #expect(query.idempotencyKey?.text == "order \"1\"")
        #expect(query.cursor == "aZ09-_")
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

    @Test("Everything that is wrong is told at once")
    func wrong() {
        #expect(
            issues([
                ("stat", "x"), ("limit", "1"), ("limit", "2"), ("state", "done"),
                ("participant", "Users"), ("label", "nocolon"), ("label", ":v"),
                ("olderThan", "60"),
                ("idempotencyKey", ""), ("cursor", "a b"),
            ]) == [
                "stat", "limit", "state", "participant", "label", "label", "olderThan",
                "idempotencyKey", "cursor",
            ])
    }

    @Test(
        "A key is quoted as the header has it, or bare",
        arguments: [
            ("k-1", "k-1"), ("\"k-1\"", "k-1"), (" a b ", " a b "), ("\" a b \"", " a b "),
            ("\"a \\\"b\\\\\"", "a \"b\\"), ("'a'", "'a'"), ("a;b=1", "a;b=1"), ("a,b", "a,b"),
        ])
    func key(_ text: String, _ content: String) throws {
        #expect(try list([("idempotencyKey", text)]).idempotencyKey?.text == content)
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
        #expect(try TransactionQuery.decode([]).waitSeconds == 0)
        #expect(try TransactionQuery.decode([(name: "wait", value: "60")]).waitSeconds == 60)
        #expect(throws: Problem.self) {
            try TransactionQuery.decode([(name: "wait", value: "61")])
        }
        #expect(throws: Problem.self) { try TransactionQuery.decode([(name: "x", value: "")]) }
        #expect(try HealthQuery.decode([(name: "verbose", value: "")]).isVerbose)
        #expect(try !HealthQuery.decode([(name: "verbose", value: "false")]).isVerbose)
        #expect(try !HealthQuery.decode([]).isVerbose)
        #expect(throws: Problem.self) {
            try HealthQuery.decode([(name: "verbose", value: "yes")])
        }
        try NoQuery.decode([])
        #expect(throws: Problem.self) { try NoQuery.decode([(name: "a", value: "b")]) }
    }
}
