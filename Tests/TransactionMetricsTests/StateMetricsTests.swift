import EventLoop
import Metrics
import PostgresClient
import PrometheusMetrics
import Testing
import TransactionEngine
import TransactionMetrics

@Suite("Gauges, pools, the log and routes")
struct StateMetricsTests {
    private let registry = PrometheusRegistry()

    /// The value of a sample, as it is rendered.
    private func value(_ sample: String) -> String? {
        String(decoding: registry.render(), as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix(sample + " ") }.map { String($0.dropFirst(sample.count + 1)) }
    }

    private func status(slots: SlotUsage?, survey: PreparedSurvey?) -> ParticipantStatus {
        ParticipantStatus(
            name: "users", isAvailable: true, isConnecting: false, poolSize: 12, connections: 5,
            idle: 3, slots: slots, lastError: nil, systemIdentifier: nil, timeline: nil,
            version: nil, circuit: .closed, failuresInARow: 0, survey: survey)
    }

    @Test func `shows what a replica holds in memory`() {
        let metrics = StateMetrics(participants: ["users"], factory: registry)
        var state = ReplicaState()
        state.inFlight = 4
        state.waitingRequestCount = 2
        state.isStateDatabaseUp = false
        state.participants = [
            status(
                slots: SlotUsage(limit: 100, share: 40, own: 7, others: 20),
                survey: PreparedSurvey(
                    count: 9, foreignCount: 2, oldestAgeSeconds: 1.5, oldestXminAge: 300,
                    at: 1_500_000))
        ]
        metrics.set(state)
        let expected = [
            "tandem_transactions_in_flight": "4", "tandem_requests_waiting": "2",
            "tandem_state_database_up": "0", "tandem_quarantined": "0",
            #"tandem_participant_up{participant="users"}"#: "1",
            #"tandem_pool_size{participant="users"}"#: "12",
            #"tandem_pool_connections{participant="users",state="idle"}"#: "3",
            #"tandem_pool_connections{participant="users",state="used"}"#: "2",
            #"tandem_prepared_slots_used{holder="own",participant="users"}"#: "7",
            #"tandem_prepared_slots_used{holder="others",participant="users"}"#: "20",
            #"tandem_prepared_slots_limit{participant="users"}"#: "100",
            #"tandem_prepared_transactions{participant="users"}"#: "9",
            #"tandem_foreign_prepared_transactions{participant="users"}"#: "2",
            #"tandem_oldest_prepared_seconds{participant="users"}"#: "1.5",
            #"tandem_oldest_prepared_xmin_age{participant="users"}"#: "300",
            #"tandem_scan_timestamp_seconds{participant="users"}"#: "1.5",
        ]
        for (sample, text) in expected { #expect(value(sample) == text, "\(sample)") }
    }

    @Test func `shows as not a number what is not known yet`() {
        let metrics = StateMetrics(participants: ["users"], factory: registry)
        var state = ReplicaState()
        state.participants = [status(slots: nil, survey: nil)]
        metrics.set(state)
        for sample in [
            #"tandem_prepared_slots_used{holder="own",participant="users"}"#,
            #"tandem_prepared_slots_limit{participant="users"}"#,
            #"tandem_prepared_transactions{participant="users"}"#,
            #"tandem_oldest_prepared_seconds{participant="users"}"#,
            #"tandem_scan_timestamp_seconds{participant="users"}"#,
        ] { #expect(value(sample) == "NaN", "\(sample)") }
    }

    @Test func `counts connections and measures waits by pool`() {
        struct Refused: Error {}
        for (pool, hasWaits) in [("work", false), ("finish", true)] {
            let metrics = PoolMetrics(
                participant: "users", pool: pool, hasWaits: hasWaits, factory: registry)
            metrics.connectionOpened()
            metrics.connectionFailed(Refused())
            metrics.connectionClosed()
            metrics.leaseGiven(after: .milliseconds(20))
        }
        for event in ["opened", "failed", "closed"] {
            let labels = #"event="\#(event)",participant="users",pool="work""#
            #expect(value("tandem_connections_total{\(labels)}") == "1")
        }
        let wait = "tandem_connection_wait_seconds_sum"
        #expect(value(wait + #"{participant="users",pool="finish"}"#) == "0.02")
        #expect(value(wait + #"{participant="users",pool="work"}"#) == nil)
    }

    @Test func `measures flushes of the log`() {
        let metrics = LogMetrics(factory: registry)
        metrics.flushed(recordCount: 3, in: .milliseconds(2), isWritten: true)
        metrics.flushed(recordCount: 1, in: .milliseconds(3), isWritten: false)
        #expect(value("tandem_log_flush_records_sum") == "3")
        #expect(value("tandem_log_flush_duration_seconds_count") == "1")
        #expect(value("tandem_log_flush_failures_total") == "1")
    }

    @Test func `counts answers by route, method and status`() async {
        let metrics = RouteMetrics(route: "/v1/x/{id}", method: "GET", factory: registry)
        for status in [200, 200, 404, 12_345] { await metrics.answered(status, after: .zero) }
        func count(_ status: Int) -> String? {
            value(
                #"tandem_http_requests_total{method="GET",route="/v1/x/{id}",status="\#(status)"}"#)
        }
        #expect(count(200) == "2")
        #expect(count(404) == "1")
        #expect(count(12_345) == nil)
    }

    @Test func `gives each metric one name, a help text and a sound type`() {
        let names = Metric.all.map(\.name)
        #expect(Set(names).count == names.count)
        for metric in Metric.all {
            #expect(metric.name.hasPrefix("tandem_"))
            #expect(metric.help.hasSuffix("."), "\(metric.name)")
            #expect((metric.kind == .counter) == metric.name.hasSuffix("_total"), "\(metric.name)")
            #expect((metric.kind == .histogram) == !metric.buckets.isEmpty, "\(metric.name)")
        }
    }
}
