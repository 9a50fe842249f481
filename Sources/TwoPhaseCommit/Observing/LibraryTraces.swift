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

    /// The position of the calling task in a trace.
    static var context: (any Sendable)? {
        #if Tracing
        return ServiceContext.current
        #else
        return nil
        #endif
    }
}
