import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

/// What each caller gets from each route: role by route by owner.
///
/// The routes come from the running replica, which has a metric for each that it serves: one without a
/// row here, or a row without a route, fails the test.
@Suite("Who may do what")
struct AccessMatrixTests {
    /// A row: one request, and its status for each role.
    struct Row: CustomStringConvertible {
        let route: String
        /// The request line, where `OWN` and `OTHER` stand for transactions of `checkout` and `billing`,
        /// and `ROWLESS` for one that is prepared and has no row.
        let line: String
        var fields: [String] = []
        var body = ""
        /// By role: none, wrong, expired, run, read, other, operate, admin.
        let statuses: [Int]

        var description: String { line }

        init(
            _ route: String, _ line: String? = nil, _ statuses: [Int], fields: [String] = [],
            body: String = ""
        ) {
            self.route = route
            self.line = line ?? route
            self.statuses = statuses
            self.fields = fields
            self.body = body
        }
    }

    private static let json = ["Content-Type: application/json"]
    /// Everybody, without a token.
    private static func open(_ status: Int) -> [Int] { Array(repeating: status, count: 8) }
    /// Those who operate.
    private static func operators(_ status: Int) -> [Int] {
        [401, 401, 401, 403, 403, 403, status, status]
    }
    /// Pages of those who operate: the others are shown the way in, or a refusal.
    private static let operatorPage = [303, 303, 303, 403, 403, 403, 200, 200]

    private static let api = [
        Row(
            "POST /v1/transactions", nil, [401, 401, 401, 201, 403, 201, 403, 403], fields: json,
            body: Testbed.work(in: "users")),
        // A participant that `checkout` may not use.
        Row(
            "POST /v1/transactions", nil, [401, 401, 401, 403, 403, 201, 403, 403], fields: json,
            body: Testbed.work(in: "users", "orders")),
        // Who asks comes before what is asked.
        Row(
            "POST /v1/transactions", nil, [401, 401, 401, 400, 403, 400, 403, 403], fields: json,
            body: "{"),
        Row("GET /v1/transactions", nil, [401, 401, 401, 200, 200, 200, 200, 200]),
        Row(
            "GET /v1/transactions/{id}", "GET /v1/transactions/OWN",
            [401, 401, 401, 200, 200, 404, 200, 200]),
        Row(
            "GET /v1/transactions/{id}", "GET /v1/transactions/OTHER",
            [401, 401, 401, 404, 404, 200, 200, 200]),
        Row(
            "GET /v1/transactions/{id}", "GET /v1/transactions/OTHER?waitSeconds=1",
            [401, 401, 401, 404, 404, 200, 200, 200]),
        Row(
            "GET /v1/transactions/{id}/timeline", "GET /v1/transactions/OWN/timeline",
            [401, 401, 401, 200, 200, 404, 200, 200]),
        Row(
            "GET /v1/transactions/{id}/timeline", "GET /v1/transactions/OTHER/timeline",
            [401, 401, 401, 404, 404, 200, 200, 200]),
        // Both are committed, so what is allowed is refused with 409.
        Row(
            "POST /v1/transactions/{id}/rollback", "POST /v1/transactions/OWN/rollback",
            [401, 401, 401, 409, 403, 404, 409, 409]),
        Row(
            "POST /v1/transactions/{id}/rollback", "POST /v1/transactions/OTHER/rollback",
            [401, 401, 401, 404, 403, 409, 409, 409]),
        Row(
            "POST /v1/transactions/{id}/rollback", "POST /v1/transactions/OTHER/rollback",
            [401, 401, 401, 404, 403, 409, 409, 409], fields: ["If-Match: *"]),
        Row(
            "POST /v1/transactions/{id}/retry", "POST /v1/transactions/OWN/retry", operators(409)),
        Row(
            "POST /v1/transactions/{id}/retry", "POST /v1/transactions/OTHER/retry",
            operators(409)),
        Row(
            "POST /v1/transactions/{id}/resolution", "POST /v1/transactions/OWN/resolution",
            operators(409), fields: json + ["If-Match: *"],
            body: ResolutionTests.body(0, "committed")),
        Row(
            "POST /v1/transactions/{id}/resolution", "POST /v1/transactions/OTHER/resolution",
            operators(409), fields: json + ["If-Match: *"],
            body: ResolutionTests.body(0, "committed")),
        // Prepared without a row. That it was committed is not shown, so what is allowed is refused.
        Row(
            "POST /v1/transactions/{id}/resolution", "POST /v1/transactions/ROWLESS/resolution",
            operators(409), fields: json + ["If-Match: *"],
            body: ResolutionTests.body(0, "committed")),
        Row(
            "POST /v1/transactions/{id}/resolution", "POST /v1/transactions/ROWLESS/resolution",
            operators(412), fields: json + ["If-Match: \"1\""],
            body: ResolutionTests.body(0, "committed")),
        Row("GET /v1/overview", nil, operators(200)),
        Row("GET /v1/replicas", nil, operators(200)),
        Row("GET /v1/participants", nil, operators(200)),
        Row("GET /v1/participants/{name}", "GET /v1/participants/users", operators(200)),
        Row("GET /v1/participants/{name}", "GET /v1/participants/none", operators(404)),
        Row(
            "GET /v1/participants/{name}/waits", "GET /v1/participants/users/waits",
            operators(200)),
        Row(
            "GET /v1/participants/{name}/prepared", "GET /v1/participants/users/prepared",
            operators(200)),
    ]

    private static let operations = [
        Row("GET /livez", nil, open(200)),
        Row("GET /livez", "GET /livez?verbose", open(200)),
        Row("GET /readyz", nil, open(200)),
        Row("GET /readyz", "GET /readyz?verbose", operators(200)),
        Row("GET /metrics", nil, [401, 401, 401, 200, 200, 200, 200, 200]),
        Row("GET /openapi.yaml", nil, open(200)),
        Row("GET /openapi.json", nil, open(200)),
    ]

    private static let console = [
        Row("GET /", nil, [303, 303, 303, 303, 303, 303, 200, 200]),
        Row("GET /transactions", nil, [303, 303, 303, 200, 200, 200, 200, 200]),
        Row(
            "GET /transactions/{id}", "GET /transactions/OWN",
            [303, 303, 303, 200, 200, 404, 200, 200]),
        Row(
            "GET /transactions/{id}", "GET /transactions/OTHER",
            [303, 303, 303, 404, 404, 200, 200, 200]),
        Row("GET /participants", nil, operatorPage),
        Row("GET /participants/{name}", "GET /participants/users", operatorPage),
        // HEAD, since the answer to GET goes on for ever.
        // When anything changes is for operators; the pages of others read themselves every two seconds.
        Row("GET /events", "HEAD /events", operatorPage),
        Row("GET /assets/{digest}/{name}", "GET /assets/0/none", open(404)),
        Row("GET /sign-in", nil, open(200)),
        // The token that signs in is in the body, whatever the request shows besides.
        Row("POST /sign-in", nil, open(401), body: "token=none"),
        Row("POST /sign-out", nil, open(303)),
    ]

    private static let rows = api + operations + console

    @Test("every route, for every role, whose ever the transaction is")
    func matrix() async throws {
        try await withAccess(settings: ResolutionTests.quick) { testbed, scene in
            let rowless = try await Self.leaveRowless(testbed)
            let own = try await testbed.begin(as: .run, of: scene)
            let other = try await testbed.begin(as: .other, of: scene)
            for id in [own, other] {
                try await testbed.until("\(id) is committed") {
                    try await testbed.get("/v1/transactions/\(id)").body["state"]?.string
                        == "committed"
                }
            }
            for row in Self.rows {
                let line = row.line.replacing("OWN", with: own).replacing("OTHER", with: other)
                    .replacing("ROWLESS", with: rowless)
                for (role, status) in zip(AccessScene.Role.allCases, row.statuses) {
                    for byCookie in [false, true] {
                        let answer = try await testbed.ask(
                            line, as: role, of: scene, byCookie: byCookie, fields: row.fields,
                            body: row.body)
                        // A busy machine may answer before every branch is finished.
                        let found = answer.status == 202 ? 201 : answer.status
                        #expect(found == status, "\(row) as \(role): \(answer.text)")
                        try Self.expectSense(answer, of: row)
                    }
                }
            }
            let served = try await Self.routes(of: testbed)
            #expect(served == Set(Self.rows.map(\.route)))
        }
    }

    /// Prepares a transaction of this installation whose row may have been removed; returns its id.
    private static func leaveRowless(_ testbed: Testbed) async throws -> String {
        let id = "900001-00000000000000ab"
        let installation = try #require(
            try await testbed.value(
                "state", "UPDATE tandem.installation SET low_water_mark = 900002 RETURNING id"))
        let gid = "tandem:\(installation):\(id):0"
        _ = try await testbed.cluster("users").psql(LeftToOperatorTests.prepare(gid, "r"))
        _ = try await LeftToOperatorTests.entry(gid, in: "users", testbed)
        return id
    }

    /// Expects that a refusal says what is missing, and nothing of what was asked for.
    private static func expectSense(_ answer: Testbed.Answer, of row: Row) throws {
        let challenge = answer.field("www-authenticate")
        switch answer.status {
        case 401 where row.route.hasPrefix("POST /sign"): break
        case 401:
            #expect(challenge?.hasPrefix("Bearer realm=\"tandem\"") == true, "\(row)")
            #expect(
                ["/problems/authentication-required", "/problems/invalid-token"]
                    .contains(answer.type), "\(row)")
        case 403 where answer.type != nil:
            #expect(answer.type == "/problems/forbidden")
            let isOfParticipant = answer.body["participant"] != nil
            #expect((challenge == nil) == isOfParticipant, "\(row)")
            #expect(
                answer.body["detail"]?.string?.contains("scope") == !isOfParticipant, "\(row)")
        default: #expect(challenge == nil, "\(row)")
        }
    }

    /// The routes that a replica serves, from the metric that each has.
    private static func routes(of testbed: Testbed) async throws -> Set<String> {
        let text = try await testbed.client.get("/metrics").body
        var routes: Set<String> = []
        for line in text.split(separator: "\n")
        where line.hasPrefix("tandem_http_request_duration_seconds_count{") {
            guard let route = line.firstMatch(of: /route="([^"]*)"/)?.output.1,
                let method = line.firstMatch(of: /method="([^"]*)"/)?.output.1, route != "none"
            else { continue }
            routes.insert("\(method) \(route)")
        }
        return routes
    }
}
