package import Tracing
import TransactionEngine

/// A tracer whose spans go to an OpenTelemetry collector.
///
/// A trace that a caller samples is recorded, one that a caller does not sample is not, and of those
/// that begin here a ratio is.
package struct ExportingTracer: Tracer {
    package typealias Span = ExportedSpan

    private let queue: SpanQueue
    private let sampleRatio: Double
    private let random: @Sendable () -> UInt64

    /// Makes a tracer that records this ratio, from 0 to 1, of the traces that begin here.
    package init(
        queue: SpanQueue, sampleRatio: Double, random: @escaping @Sendable () -> UInt64
    ) {
        self.queue = queue
        self.sampleRatio = sampleRatio
        self.random = random
    }

    package func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> ExportedSpan {
        var context = context()
        let parent = context.traceParent
        let position = TraceParent(
            traceID: parent?.traceID ?? .init(high: random(), low: number()), spanID: number(),
            isSampled: parent?.isSampled ?? isSampled())
        context.traceParent = position
        var recording: ExportedSpan.Recording?
        if position.isSampled {
            recording = .init(
                position: position, parentSpanID: parent?.spanID, kind: kind,
                startNanoseconds: instant().nanosecondsSinceEpoch, name: operationName)
        }
        return ExportedSpan(recording, context: context) { [queue] in queue.add($0) }
    }

    /// A number that is not zero: a zero id stands for none.
    private func number() -> UInt64 { max(1, random()) }

    private func isSampled() -> Bool {
        sampleRatio >= 1
            || Double(random() >> 11) / Double(UInt64(1) << 53) < sampleRatio
    }

    package func forceFlush() {}

    /// Reads `traceparent`.
    package func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        context.traceParent = extractor.extract(key: "traceparent", from: carrier).flatMap {
            TraceParent($0)
        }
    }

    /// Writes `traceparent`.
    package func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let position = context.traceParent else { return }
        injector.inject(position.text, forKey: "traceparent", into: &carrier)
    }
}
