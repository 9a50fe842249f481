import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

@Suite("What Prometheus scrapes from a replica")
struct MetricsTests {
    private static func scrape(
        _ testbed: Testbed, accept: String = "*/*"
    ) async throws -> Testbed.Answer {
        try Testbed.answer(
            await testbed.client.send(
                "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: \(accept)\r\n\r\n"
            ),
            isJSON: false)
    }

    private static func value(_ testbed: Testbed, _ sample: String) async throws -> String? {
        try await scrape(testbed).text.split(separator: "\n")
            .first { $0.hasPrefix(sample + " ") }.map { String($0.dropFirst(sample.count + 1)) }
    }

    private static func until(
        _ testbed: Testbed, _ sample: String, is expected: String
    ) async throws {
        try await testbed.until("\(sample) is \(expected)") {
            try await value(testbed, sample) == expected
        }
    }

    @Test func `has its own media type, and refuses others`() async throws {
        try await withTestbed { testbed in
            let prometheus =
                "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            for accept in ["*/*", "text/plain", prometheus] {
                let answer = try await Self.scrape(testbed, accept: accept)
                #expect(answer.status == 200)
                #expect(
                    answer.field("content-type") == "text/plain; version=0.0.4; charset=utf-8")
                #expect(answer.text.hasPrefix("# HELP tandem_"))
            }
            #expect(try await Self.scrape(testbed, accept: "image/png").status == 406)
            #expect(try await testbed.get("/metrics?x=1").status == 400)
        }
    }

    @Test func `counts commits, aborts and requests`() async throws {
        try await withTestbed { testbed in
            #expect(try await testbed.commits(Testbed.pair("u1", "o1")))
            #expect(try await testbed.run("INSERT INTO nowhere VALUES (1)").status == 409)
            try await Self.until(
                testbed, #"tandem_transactions_total{commit_mode="two_phase",outcome="committed"}"#,
                is: "1")
            try await Self.until(testbed, #"tandem_aborts_total{cause="statement"}"#, is: "1")
            for (status, count) in [(201, 1), (409, 1)] {
                let labels = #"method="POST",route="/v1/transactions",status="\#(status)""#
                let found = try await Self.value(testbed, "tandem_http_requests_total{\(labels)}")
                #expect(found == "\(count)")
            }
            let phases = #"tandem_phase_duration_seconds_count{phase="work"}"#
            #expect(try await Self.value(testbed, phases) == "2")
            let opened =
                #"tandem_connections_total{event="opened",participant="users",pool="work"}"#
            #expect(try await Self.value(testbed, opened) != "0")
            #expect(try await Self.value(testbed, "tandem_log_flush_records_sum") != "0")
            #expect(try await Self.value(testbed, "tandem_running") == "0")
        }
    }

    @Test func `shows what others have prepared, and how long it holds VACUUM up`() async throws {
        try await withTestbed(
            settings: ["transactions: { scanIntervalMilliseconds: 50 }"]
        ) { testbed in
            try await testbed.asStranger(
                "users",
                ["BEGIN", "INSERT INTO accounts VALUES ('x', 1)", "PREPARE TRANSACTION 'x'"])
            let sample = #"tandem_foreign_prepared_transactions{participant="users"}"#
            try await Self.until(testbed, sample, is: "1")
            let age = #"tandem_oldest_prepared_xmin_age{participant="users"}"#
            #expect(try await Self.value(testbed, age) != "0")
            try await testbed.asStranger("users", ["ROLLBACK PREPARED 'x'"])
            try await Self.until(testbed, sample, is: "0")
            #expect(try await Self.value(testbed, age) == "0")
        }
    }

    @Test func `answers while the databases are down, and says so`() async throws {
        try await withTestbed(
            settings: ["metrics: { queueIntervalMilliseconds: 100 }"]
        ) { testbed in
            try await Self.until(testbed, "tandem_in_doubt", is: "0")
            #expect(try await Self.value(testbed, "tandem_state_database_up") == "1")
            for name in ["users", "state"] { try await testbed.cluster(name).stop(.immediate) }
            try await Self.until(testbed, "tandem_state_database_up", is: "0")
            try await Self.until(testbed, #"tandem_participant_up{participant="users"}"#, is: "0")
            try await Self.until(testbed, "tandem_in_doubt", is: "NaN")
            try await Self.until(testbed, "tandem_oldest_in_doubt_seconds", is: "NaN")
            #expect(try await Self.value(testbed, "tandem_queues_timestamp_seconds") != "NaN")
            try await testbed.cluster("state").restart()
            try await Self.until(testbed, "tandem_in_doubt", is: "0")
            try await Self.until(testbed, "tandem_state_database_up", is: "1")
        }
    }
}
