import Tracing
import TransactionEngine

/// Encodes spans as an `ExportTraceServiceRequest` of OTLP 1, whose field numbers these are
/// (opentelemetry-proto, trace/v1/trace.proto).
enum TraceRequest {
    /// The request's bytes, with these attributes of the process.
    static func encode(
        _ spans: [ExportedSpan.Recording], resource: [(name: String, value: String)]
    ) -> [UInt8] {
        var request = ProtobufWriter()
        request.message(1) { resourceSpans in
            resourceSpans.message(1) { writer in
                for (name, value) in resource { writer.attribute(1, name, .string(value)) }
            }
            resourceSpans.message(2) { scopeSpans in
                scopeSpans.message(1) { $0.text(1, "tandem") }
                for span in spans {
                    scopeSpans.message(2) { $0.write(span) }
                }
            }
        }
        return request.bytes
    }
}

extension ProtobufWriter {
    fileprivate mutating func write(_ span: ExportedSpan.Recording) {
        identify(span.position)
        if let parent = span.parentSpanID { data(4, parent.bytes) }
        text(5, span.name)
        integer(6, span.kind.number)
        fixed64(7, span.startNanoseconds)
        fixed64(8, span.endNanoseconds)
        attributes(9, span.attributes)
        for event in span.events {
            message(11) { writer in
                writer.fixed64(1, event.nanosecondsSinceEpoch)
                writer.text(2, event.name)
                writer.attributes(3, event.attributes)
            }
        }
        for link in span.links {
            message(13) { writer in
                writer.identify(link.position)
                writer.attributes(4, link.attributes)
            }
        }
        if let status = span.status {
            message(15) { writer in
                if let text = status.message { writer.text(2, text) }
                writer.integer(3, status.code == .ok ? 1 : 2)
            }
        }
        fixed32(16, span.position.isSampled ? 1 : 0)
    }

    /// The ids of a span or a link, which have the same fields in both.
    private mutating func identify(_ position: TraceParent) {
        data(1, position.traceID.high.bytes + position.traceID.low.bytes)
        data(2, position.spanID.bytes)
    }

    private mutating func attributes(_ field: UInt64, _ attributes: SpanAttributes) {
        var sorted: [(String, SpanAttribute)] = []
        attributes.forEach { sorted.append(($0, $1)) }
        sorted.sort { $0.0 < $1.0 }
        for (name, value) in sorted { attribute(field, name, value) }
    }

    fileprivate mutating func attribute(_ field: UInt64, _ name: String, _ value: SpanAttribute) {
        message(field) { pair in
            pair.text(1, name)
            pair.message(2) { $0.value(value) }
        }
    }

    private mutating func value(_ value: SpanAttribute) {
        switch value {
        case .string(let value): text(1, value)
        case .bool(let value): integer(2, value ? 1 : 0)
        case .int32(let value): integer(3, UInt64(bitPattern: Int64(value)))
        case .int64(let value): integer(3, UInt64(bitPattern: value))
        case .double(let value): fixed64(4, value.bitPattern)
        case .stringConvertible(let value): text(1, value.description)
        default: text(1, "\(value)")
        }
    }
}

extension UInt64 {
    /// In the order of the network.
    fileprivate var bytes: [UInt8] {
        stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: self >> $0) }
    }
}

extension SpanKind {
    fileprivate var number: UInt64 {
        switch self {
        case .internal: 1
        case .server: 2
        case .client: 3
        case .producer: 4
        case .consumer: 5
        }
    }
}
