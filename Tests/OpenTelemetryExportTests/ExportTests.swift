import EventLoop
import Testing
import Tracing
import TransactionEngine

@testable import OpenTelemetryExport

@Suite("Exporting spans", .timeLimit(.minutes(20)))
struct ExportTests {
    private struct Time: TracerInstant {
        let nanosecondsSinceEpoch: UInt64

        static func < (a: Time, b: Time) -> Bool {
            a.nanosecondsSinceEpoch < b.nanosecondsSinceEpoch
        }
    }

    /// Takes batches, and gives these answers in turn.
    private final class Collector: Sendable {
        let bodies = Lock<[[UInt8]]>([])
        let answers: Lock<[SpanQueue.Delivery]>
        let losses = Lock<[String]>([])

        init(_ answers: [SpanQueue.Delivery] = []) {
            self.answers = Lock(answers)
        }

        func queue(_ configure: (inout SpanQueue.Limits) -> Void = { _ in }) -> SpanQueue {
            var limits = SpanQueue.Limits()
            limits.interval = .zero
            limits.pause = .zero
            configure(&limits)
            return SpanQueue(
                limits, resource: [("service.name", "tandem")],
                send: { body in
                    self.bodies.withLock { $0.append(body) }
                    return self.answers.withLock { $0.isEmpty ? .accepted : $0.removeFirst() }
                },
                report: { reason, count in
                    self.losses.withLock { $0.append("\(count): \(reason)") }
                })
        }
    }

    private static func tracer(_ queue: SpanQueue, sampleRatio: Double = 1) -> ExportingTracer {
        let numbers = Lock<UInt64>(0)
        return ExportingTracer(queue: queue, sampleRatio: sampleRatio) {
            numbers.withLock {
                $0 += 1
                return $0
            }
        }
    }

    @Test("encodes a span as OTLP does, field by field")
    func encoding() async throws {
        let collector = Collector()
        let queue = collector.queue()
        var context = ServiceContext.topLevel
        context.traceParent = TraceParent(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        let span = Self.tracer(queue).startSpan(
            "COMMIT PREPARED users", context: context, ofKind: .client,
            at: Time(nanosecondsSinceEpoch: 1000), function: "", file: "", line: 0)
        span.attributes["db.system.name"] = "postgresql"
        span.attributes["tandem.branch"] = 1
        span.addEvent(SpanEvent(name: "attempt failed", at: Time(nanosecondsSinceEpoch: 1500)))
        span.setStatus(SpanStatus(code: .error, message: "no"))
        span.end(at: Time(nanosecondsSinceEpoch: 2000))
        span.end(at: Time(nanosecondsSinceEpoch: 9000))
        await queue.flush()
        let body = try #require(collector.bodies.withLock { $0.first })
        let spans = try Message(body)[1][0].message()
        #expect(try spans[1][0].message()[1][0].message()[1][0].text() == "service.name")
        let scope = try spans[2][0].message()
        #expect(try scope[1][0].message()[1][0].text() == "tandem")
        let found = try scope[2][0].message()
        #expect(
            found[1][0].hex == "4bf92f3577b34da6a3ce929d0e0e4736", "the caller's trace goes on")
        #expect(found[2][0].hex == "0000000000000001")
        #expect(found[4][0].hex == "00f067aa0ba902b7")
        #expect(try found[5][0].text() == "COMMIT PREPARED users")
        #expect(found[6][0].number == 3)
        #expect(found[7][0].number == 1000)
        #expect(found[8][0].number == 2000)
        let attributes = try found[9].map { try $0.message() }
        #expect(try attributes.map { try $0[1][0].text() } == ["db.system.name", "tandem.branch"])
        #expect(try attributes[0][2][0].message()[1][0].text() == "postgresql")
        #expect(try attributes[1][2][0].message()[3][0].number == 1)
        let event = try found[11][0].message()
        #expect(event[1][0].number == 1500)
        #expect(try event[2][0].text() == "attempt failed")
        let status = try found[15][0].message()
        #expect(try status[2][0].text() == "no")
        #expect(status[3][0].number == 2)
        #expect(found[16][0].number == 1)
        #expect(collector.bodies.withLock { $0.count } == 1)
    }

    @Test("makes children of the trace, and records none of an unsampled one")
    func sampling() async throws {
        let collector = Collector()
        let queue = collector.queue()
        let tracer = Self.tracer(queue, sampleRatio: 0)
        let root = tracer.startSpan("transaction", context: .topLevel)
        #expect(!root.isRecording)
        #expect(!tracer.startSpan("decide", context: root.context).isRecording)
        root.end()
        await queue.flush()
        #expect(collector.bodies.withLock { $0.isEmpty })
        var sampled = ServiceContext.topLevel
        sampled.traceParent = TraceParent(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        let parent = tracer.startSpan("transaction", context: sampled)
        let child = tracer.startSpan("decide", context: parent.context)
        #expect(parent.isRecording && child.isRecording)
        #expect(child.context.traceParent?.traceID == sampled.traceParent?.traceID)
        #expect(child.context.traceParent?.spanID != parent.context.traceParent?.spanID)
        var unsampled = ServiceContext.topLevel
        unsampled.traceParent = TraceParent(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
        #expect(!Self.tracer(queue).startSpan("transaction", context: unsampled).isRecording)
    }

    @Test("samples about the ratio that it is given")
    func ratio() {
        let tracer = ExportingTracer(queue: Collector().queue(), sampleRatio: 0.25) {
            .random(in: .min ... .max)
        }
        let count = (0..<10_000).count { _ in
            tracer.startSpan("transaction", context: .topLevel).isRecording
        }
        // Further off than this by chance once in some 10^22 runs.
        #expect((2070...2930).contains(count))
    }

    @Test("tries again what a collector refuses for now, and counts what it takes at no time")
    func retries() async {
        let collector = Collector([
            .refusedForNow(reason: "busy"), .refusedForNow(reason: "busy"), .accepted,
            .refused(reason: "bad"),
        ])
        let queue = collector.queue()
        let tracer = Self.tracer(queue)
        for _ in 0..<2 {
            tracer.startSpan("a", context: .topLevel).end()
            await queue.flush()
        }
        #expect(collector.bodies.withLock { $0.count } == 4)
        #expect(queue.counts == (exported: 1, dropped: 1))
        #expect(collector.losses.withLock { $0 } == ["1: bad"])
    }

    @Test("gives a batch up after its attempts")
    func givesUp() async {
        let collector = Collector(Array(repeating: .refusedForNow(reason: "down"), count: 10))
        let queue = collector.queue { $0.attempts = 3 }
        Self.tracer(queue).startSpan("a", context: .topLevel).end()
        await queue.flush()
        #expect(collector.bodies.withLock { $0.count } == 3)
        #expect(queue.counts == (exported: 0, dropped: 1))
    }

    @Test("drops what exceeds the bound, and sends the rest in batches")
    func bounds() async {
        let collector = Collector()
        let queue = collector.queue {
            $0.spansMax = 5
            $0.batch = 2
        }
        let tracer = Self.tracer(queue)
        for _ in 0..<7 { tracer.startSpan("a", context: .topLevel).end() }
        await queue.flush()
        #expect(collector.bodies.withLock { $0.count } == 3)
        #expect(queue.counts == (exported: 5, dropped: 2))
        #expect(collector.losses.withLock { $0 } == ["2: too many waited"])
    }

    @Test("sends by itself while it runs, and ends when it is cancelled")
    func runs() async {
        let collector = Collector()
        let queue = collector.queue()
        let running = Task { await queue.run() }
        for count in 1...3 {
            Self.tracer(queue).startSpan("a", context: .topLevel).end()
            while queue.counts.exported < count { await Task.yield() }
        }
        running.cancel()
        await running.value
    }

    @Test("leaves what it did not send to the flush after it was cancelled")
    func cancelled() async {
        let collector = Collector([.refusedForNow(reason: "cancelled")])
        let queue = collector.queue { $0.interval = .seconds(86_400) }
        Self.tracer(queue).startSpan("a", context: .topLevel).end()
        let running = Task { await queue.run() }
        running.cancel()
        await running.value
        #expect(queue.counts == (exported: 0, dropped: 0))
        let flush = Task {
            while !Task.isCancelled { await Task.yield() }
            await queue.flush()
        }
        flush.cancel()
        await flush.value
        await queue.flush()
        #expect(queue.counts == (exported: 1, dropped: 0))
    }
}

/// A message of Protocol Buffers, read without its schema.
private struct Message {
    struct Value {
        var bytes: [UInt8] = []
        var number: UInt64 = 0

        func message() throws -> Message { try Message(bytes) }
        func text() throws -> String { try #require(String(validating: bytes, as: UTF8.self)) }
        var hex: String {
            bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }

    private struct Broken: Error {}

    private var fields: [UInt64: [Value]] = [:]

    subscript(field: UInt64) -> [Value] { fields[field] ?? [] }

    init(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        func varint() throws -> UInt64 {
            var value: UInt64 = 0
            for shift in stride(from: UInt64(0), to: 70, by: 7) {
                guard let byte = rest.popFirst() else { throw Broken() }
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return value }
            }
            throw Broken()
        }
        func fixed(_ count: Int) throws -> UInt64 {
            guard rest.count >= count else { throw Broken() }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        while !rest.isEmpty {
            let key = try varint()
            var value = Value()
            switch key & 7 {
            case 0: value.number = try varint()
            case 1: value.number = try fixed(8)
            case 2:
                let count = Int(try varint())
                guard rest.count >= count else { throw Broken() }
                value.bytes = Array(rest.prefix(count))
                rest = rest.dropFirst(count)
            case 5: value.number = try fixed(4)
            default: throw Broken()
            }
            fields[key >> 3, default: []].append(value)
        }
    }
}
