import EventLoop
import Logging
import Metrics
import MetricsTestKit
import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("Logs and metrics go to the bootstrapped systems")
    struct BootstrapTests {
        @Test func `counts and times a run, and logs failures`() async throws {
            let (metrics, log) = (Bootstrapped.metrics, Bootstrapped.log)
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    func count(_ outcome: String) throws -> Int64 {
                        try metrics.expectCounter(
                            "tandem_transactions_total",
                            [("outcome", outcome), ("commit_mode", "two_phase")]
                        ).totalValue
                    }
                    let (committed, aborted) = (try count("committed"), try count("aborted"))
                    let timer = try metrics.expectTimer(
                        "tandem_transaction_duration_seconds", [("outcome", "committed")])
                    let timed = timer.values.count
                    _ = try await coordinator.run([testbed.user("u"), testbed.order("o")])
                    _ = await failure { () async throws(TransactionError) in
                        try await coordinator.run([testbed.user("u"), testbed.order("o1")])
                    }
                    // A transaction is counted when it has ended, just after its answer.
                    try await until("both are counted") {
                        try count("committed") == committed + 1
                            && count("aborted") == aborted + 1
                    }
                    #expect(timer.values.count == timed + 1)
                    let opened = try metrics.expectCounter(
                        "tandem_connections_total",
                        [
                            ("participant", testbed.usersDatabase.name), ("pool", "work"),
                            ("event", "opened"),
                        ])
                    #expect(opened.totalValue > 0)
                    let wait = try metrics.expectTimer(
                        "tandem_connection_wait_seconds",
                        [("participant", testbed.usersDatabase.name), ("pool", "finish")])
                    #expect(!wait.values.isEmpty)
                    await testbed.orders.kill()
                    try await until("the log says that a database is away") {
                        log.withLock {
                            $0.contains { $0.hasPrefix("a participant cannot be reached") }
                        }
                    }
                    try await testbed.orders.restart()
                    try await testbed.expectQuiet(users: 1, orders: 1)
                }
            }
        }
    }
}

/// The systems of this process, which can be bootstrapped only once.
private enum Bootstrapped {
    static let metrics = {
        let metrics = TestMetrics()
        MetricsSystem.bootstrap(metrics)
        return metrics
    }()

    /// The log lines of coordinators with the default logger.
    static let log = {
        let lines = Lock<[String]>([])
        LoggingSystem.bootstrap { label in
            guard label == "tandem.coordinator" else {
                return StreamLogHandler.standardError(label: label)
            }
            return Recorder(inner: StreamLogHandler.standardError(label: label), lines: lines)
        }
        return lines
    }()

    private struct Recorder: LogHandler {
        var inner: StreamLogHandler
        let lines: Lock<[String]>

        var logLevel: Logger.Level {
            get { inner.logLevel }
            set { inner.logLevel = newValue }
        }

        var metadata: Logger.Metadata {
            get { inner.metadata }
            set { inner.metadata = newValue }
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { inner[metadataKey: key] }
            set { inner[metadataKey: key] = newValue }
        }

        func log(event: LogEvent) {
            lines.withLock { $0.append("\(event.message)") }
            inner.log(event: event)
        }
    }
}
