import TransactionEngine

#if Tracing
import Tracing
import TransactionTraces
#endif

/// Reports spans to the tracer that the program has bootstrapped, if the package's trait `Tracing` is
/// enabled and there is one.
enum LibraryTraces {
    /// What the engine reports to, under this name of the program's replica.
    static func observers(replica: String) -> [any EngineObserver] {
        #if Tracing
        let tracer = InstrumentationSystem.tracer
        return tracer is NoOpTracer ? [] : [TransactionSpans(tracer: tracer, replica: replica)]
        #else
        return []
        #endif
    }

    /// Gives a request the position of the calling task in a trace.
    static func mark(_ request: inout TransactionRequest) {
        #if Tracing
        guard let context = ServiceContext.current else { return }
        request.traceContext = context
        var fields: [String: String] = [:]
        InstrumentationSystem.tracer.inject(context, into: &fields, using: FieldInjector())
        request.traceParent = fields["traceparent"].flatMap { TraceParent($0) }
        #endif
    }
}

#if Tracing
private struct FieldInjector: Injector {
    func inject(_ value: String, forKey key: String, into fields: inout [String: String]) {
        fields[key.lowercased()] = value
    }
}
#endif
