import EventLoop
package import Tracing
package import TransactionEngine

/// A span that is recorded, and exported when it ends; or one that is not sampled, and costs nothing.
package final class ExportedSpan: Span {
    /// What is recorded of a span.
    struct Recording: Sendable {
        let position: TraceParent
        /// The parent's span; nil for the first of a trace.
        let parentSpanID: UInt64?
        let kind: SpanKind
        let startNanoseconds: UInt64
        var name: String
        var endNanoseconds: UInt64 = 0
        var attributes: SpanAttributes = [:]
        var events: [SpanEvent] = []
        var links: [(position: TraceParent, attributes: SpanAttributes)] = []
        var status: SpanStatus?
    }

    package let context: ServiceContext
    /// Nil if the span is not sampled, or has ended.
    private let recording: Lock<Recording?>
    private let export: @Sendable (Recording) -> Void

    init(
        _ recording: Recording?, context: ServiceContext,
        export: @escaping @Sendable (Recording) -> Void
    ) {
        self.context = context
        self.recording = Lock(recording)
        self.export = export
    }

    private func update(_ body: (inout Recording) -> Void) {
        recording.withLock { recording in
            guard var changed = recording else { return }
            body(&changed)
            recording = changed
        }
    }

    package var isRecording: Bool { recording.withLock { $0 != nil } }

    package var operationName: String {
        get { recording.withLock { $0?.name ?? "" } }
        set { update { $0.name = newValue } }
    }

    package var attributes: SpanAttributes {
        get { recording.withLock { $0?.attributes ?? [:] } }
        set { update { $0.attributes = newValue } }
    }

    package func setStatus(_ status: SpanStatus) { update { $0.status = status } }

    package func addEvent(_ event: SpanEvent) { update { $0.events.append(event) } }

    package func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        var attributes = attributes
        attributes["exception.type"] = String(describing: type(of: error))
        attributes["exception.message"] = String(describing: error)
        addEvent(SpanEvent(name: "exception", at: instant(), attributes: attributes))
    }

    package func addLink(_ link: SpanLink) {
        guard let position = link.context.traceParent else { return }
        update { $0.links.append((position, link.attributes)) }
    }

    package func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        let ended = recording.withLock { recording in
            defer { recording = nil }
            return recording
        }
        guard var ended else { return }
        ended.endNanoseconds = max(instant().nanosecondsSinceEpoch, ended.startNanoseconds)
        export(ended)
    }
}

private enum TraceParentKey: ServiceContextKey {
    typealias Value = TraceParent
}

extension ServiceContext {
    /// The span that this context belongs to.
    package var traceParent: TraceParent? {
        get { self[TraceParentKey.self] }
        set { self[TraceParentKey.self] = newValue }
    }
}
