import EventLoop

/// Spans on their way to a collector, which is never waited for: what it does not take in time is
/// dropped, and counted.
package final class SpanQueue: Sendable {
    /// What a collector said to a batch.
    package enum Delivery: Sendable, Hashable {
        case accepted
        /// It may take the same batch later.
        case refusedForNow(reason: String)
        /// It takes this batch at no time.
        case refused(reason: String)
    }

    /// The queue's bounds.
    package struct Limits: Sendable {
        /// Spans that wait; further ones are dropped.
        package var spansMax = 16_384
        /// Spans of one request.
        package var batch = 512
        /// How long spans wait for others to be sent with them.
        package var interval: Duration = .seconds(1)
        /// Attempts to send one batch.
        package var attempts = 5
        /// Between the first two attempts; twice as long before each further one.
        package var pause: Duration = .seconds(1)

        package init() {}
    }

    private struct State {
        var spans: [ExportedSpan.Recording] = []
        var exported = 0
        var dropped = 0
        /// Those of them that found the queue full, and were not reported yet.
        var overflow = 0
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Lock(State())
    private let limits: Limits
    private let resource: [(name: String, value: String)]
    private let send: @Sendable ([UInt8]) async -> Delivery
    private let report: @Sendable (_ reason: String, _ dropped: Int) -> Void

    /// Makes a queue whose batches carry these attributes of the process.
    ///
    /// `send` posts a request's body; `report` is called for each batch that is lost.
    package init(
        _ limits: Limits = Limits(), resource: [(name: String, value: String)],
        send: @escaping @Sendable ([UInt8]) async -> Delivery,
        report: @escaping @Sendable (_ reason: String, _ dropped: Int) -> Void
    ) {
        self.limits = limits
        self.resource = resource
        self.send = send
        self.report = report
    }

    /// Spans that a collector has taken, and that were dropped.
    package var counts: (exported: Int, dropped: Int) {
        state.withLock { ($0.exported, $0.dropped) }
    }

    func add(_ span: ExportedSpan.Recording) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.spans.count < limits.spansMax else {
                state.dropped += 1
                state.overflow += 1
                return nil
            }
            state.spans.append(span)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Sends what comes, until the task is cancelled.
    package func run() async {
        while !Task.isCancelled {
            await waitForSpans()
            try? await Task.sleep(for: limits.interval)
            // What is left then is flushed by the one that stops this.
            guard !Task.isCancelled else { return }
            await flush()
        }
    }

    /// Sends what waits, and returns when that is done or given up, or when the task is cancelled.
    package func flush() async {
        while !Task.isCancelled {
            let (batch, overflow) = state.withLock { state in
                let batch = Array(state.spans.prefix(limits.batch))
                state.spans.removeFirst(batch.count)
                defer { state.overflow = 0 }
                return (batch, state.overflow)
            }
            if overflow > 0 { report("too many waited", overflow) }
            if batch.isEmpty { return }
            await deliver(batch)
        }
    }

    private func waitForSpans() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { reply in
                let isReady = state.withLock { state in
                    if !state.spans.isEmpty || Task.isCancelled { return true }
                    state.waiter = reply
                    return false
                }
                if isReady { reply.resume() }
            }
        } onCancel: {
            state.withLock { state in
                defer { state.waiter = nil }
                return state.waiter
            }?.resume()
        }
    }

    private func deliver(_ batch: [ExportedSpan.Recording]) async {
        let body = TraceRequest.encode(batch, resource: resource)
        var pause = limits.pause
        for attempt in 1... {
            switch await send(body) {
            case .accepted:
                return state.withLock { $0.exported += batch.count }
            case .refusedForNow where Task.isCancelled:
                // The attempt was cancelled with the task: the one that stops it flushes once more.
                return state.withLock { $0.spans.insert(contentsOf: batch, at: 0) }
            case .refusedForNow where attempt < limits.attempts:
                try? await Task.sleep(for: pause)
                pause *= 2
            case .refusedForNow(let reason), .refused(let reason):
                state.withLock { $0.dropped += batch.count }
                return report(reason, batch.count)
            }
        }
    }
}
