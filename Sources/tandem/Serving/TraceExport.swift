import EventLoop
import Foundation
import HTTPServer
import Logging
import OpenTelemetryExport
import PostgresTransactions
import Tracing
import TransactionEngine
import TransactionMetrics
import TransactionTraces

/// Sends the traces of a replica to an OpenTelemetry collector, in the background.
final class TraceExport: Sendable {
    /// Reports each transaction that has ended.
    let spans: TransactionSpans
    private let queue: SpanQueue
    private let running = Lock<Task<Void, Never>?>(nil)

    /// Makes an export; nil if none is configured.
    init?(_ configuration: Configuration, logger: Logger) {
        guard let endpoint = configuration.tracing.endpoint else { return nil }
        let collector = TraceCollector(
            endpoint: endpoint, timeout: .seconds(configuration.tracing.timeoutSeconds))
        queue = SpanQueue(
            resource: [
                ("service.name", "tandem"), ("service.version", BuildInformation.version),
                ("service.instance.id", configuration.replica.name),
            ],
            send: collector.send,
            report: { reason, count in
                logger.warning(
                    "spans were dropped",
                    metadata: [
                        "count": "\(count)", "collector": "\(endpoint)", "reason": "\(reason)",
                    ])
            })
        let tracer = ExportingTracer(
            queue: queue, sampleRatio: configuration.tracing.sampleRatio,
            random: BufferedRandom().next)
        spans = TransactionSpans(tracer: tracer, replica: configuration.replica.name)
    }

    /// Begins to send.
    func start() {
        running.withLock { $0 = Task { [queue] in await queue.run() } }
    }

    /// Sends what is left, for a few seconds at most.
    func stop() async {
        let sending = running.withLock { $0 }
        sending?.cancel()
        await sending?.value
        let flush = Task { [queue] in await queue.flush() }
        let limit = Task {
            try await Task.sleep(for: .seconds(5))
            flush.cancel()
        }
        await flush.value
        limit.cancel()
    }
}

/// Posts batches of spans as OTLP over HTTP asks for it.
private struct TraceCollector: Sendable {
    private let post: OutgoingPost

    init(endpoint: URL, timeout: Duration) {
        post = OutgoingPost(url: endpoint, timeout: timeout)
    }

    @Sendable func send(_ body: [UInt8]) async -> SpanQueue.Delivery {
        do {
            let status = try await post.send(body, type: "application/x-protobuf")
            switch status {
            case 200..<300: return .accepted
            // The statuses that the specification of OTLP names as worth another attempt.
            case 429, 502, 503, 504: return .refusedForNow(reason: "status \(status)")
            default: return .refused(reason: "status \(status)")
            }
        } catch {
            return .refusedForNow(reason: error.localizedDescription)
        }
    }
}
