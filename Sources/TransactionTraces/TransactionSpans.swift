import CommitProtocol
import EventLoop
package import Tracing
package import TransactionEngine

/// Reports each transaction that has ended as spans: one for the whole, one for each phase and branch.
///
/// The spans are made from the transaction's timeline when it is over, so tracing costs nothing on its
/// way, and nothing but a decision to sample where it is not sampled. The caller's span, if it sent
/// one, is the parent, also of what a replica reports that has taken the transaction over.
package struct TransactionSpans: EngineObserver {
    private let tracer: any Tracer
    /// Names the replica or program in each span.
    private let replica: String

    /// Makes an observer that reports to this tracer.
    package init(tracer: any Tracer, replica: String) {
        self.tracer = tracer
        self.replica = replica
    }

    /// Reports the spans of a transaction that has ended; other events have none.
    package func observe(_ event: EngineEvent) {
        guard case .ended(let transaction) = event, !transaction.isWithdrawn else { return }
        report(transaction.record, transaction.timeline, caller: transaction.traceParent)
    }

    /// Reports the spans of a transaction; its record is made only if they are recorded.
    func report(
        _ record: @autoclosure () -> TransactionRecord, _ timeline: TransactionTimeline,
        caller: TraceParent? = nil
    ) {
        let parent = timeline.traceContext as? ServiceContext ?? context(of: caller)
        report(record(), timeline, in: parent, to: tracer)
    }

    /// What the tracer makes of a caller's `traceparent`.
    private func context(of caller: TraceParent?) -> ServiceContext {
        var context = ServiceContext.topLevel
        if let caller {
            tracer.extract(["traceparent": caller.text], into: &context, using: FieldExtractor())
        }
        return context
    }

    private func report(
        _ makeRecord: @autoclosure () -> TransactionRecord, _ timeline: TransactionTimeline,
        in parent: ServiceContext, to tracer: some Tracer
    ) {
        let root = tracer.startSpan(
            "transaction", context: parent, ofKind: .server, at: Instant(timeline.beganAt))
        defer { root.end(at: Instant(timeline.endedAt)) }
        guard root.isRecording else { return }
        let record = makeRecord()
        root.attributes = attributes(of: record)
        if record.state != .committed {
            root.setStatus(SpanStatus(code: .error, message: record.state.rawValue))
        }
        let moments = Moments(timeline)
        for event in moments.ofWhole where event.moment == .takenOver {
            root.addEvent(SpanEvent(name: "taken over", at: Instant(event.at)))
        }
        for (number, branch) in record.branches.enumerated() {
            reportWork(of: branch, number, moments, in: root.context, to: tracer)
        }
        if let requested = moments.time(of: .decisionRequested) {
            let span = tracer.startSpan(
                "decide", context: root.context, ofKind: .internal, at: Instant(requested))
            span.attributes["tandem.decision"] = record.decision?.rawValue
            span.end(at: Instant(moments.time(of: .decided) ?? timeline.endedAt))
        }
        for (number, branch) in record.branches.enumerated() {
            reportFinish(of: branch, number, record, moments, in: root.context, to: tracer)
        }
    }

    /// The span from the first statement of a branch to its vote.
    private func reportWork(
        of branch: BranchRecord, _ number: Int, _ moments: Moments, in context: ServiceContext,
        to tracer: some Tracer
    ) {
        guard let began = moments.time(of: .workBegan, branch: number),
            let ended = moments.time(of: .workEnded, branch: number)
        else { return }
        let isPrepared = branch.commitMode == .twoPhase
        let span = tracer.startSpan(
            (isPrepared ? "PREPARE TRANSACTION " : "work ") + branch.participant,
            context: context, ofKind: .client, at: Instant(began))
        span.attributes = attributes(of: branch, number)
        if isPrepared { span.attributes["db.operation.name"] = "PREPARE TRANSACTION" }
        if branch.vote == .no { span.setStatus(SpanStatus(code: .error, message: "voted no")) }
        span.end(at: Instant(ended))
    }

    /// The span from the durable decision to the end of a branch.
    private func reportFinish(
        of branch: BranchRecord, _ number: Int, _ record: TransactionRecord, _ moments: Moments,
        in context: ServiceContext, to tracer: some Tracer
    ) {
        guard let ended = moments.time(of: .branchFinished, branch: number),
            let began = moments.time(of: .decided) ?? moments.time(of: .takenOver)
        else { return }
        let operation =
            (record.decision == .commit ? "COMMIT" : "ROLLBACK")
            + (branch.commitMode == .twoPhase ? " PREPARED" : "")
        let span = tracer.startSpan(
            "\(operation) \(branch.participant)", context: context, ofKind: .client,
            at: Instant(min(began, ended)))
        span.attributes = attributes(of: branch, number)
        span.attributes["db.operation.name"] = operation
        span.attributes["tandem.outcome"] = branch.outcome?.rawValue
        if let failed = moments.time(of: .attemptFailed, branch: number) {
            span.addEvent(SpanEvent(name: "attempt failed", at: Instant(failed)))
        }
        if let outcome = branch.outcome, !outcome.isAsDecided {
            span.setStatus(SpanStatus(code: .error, message: "ended against the decision"))
        }
        span.end(at: Instant(ended))
    }

    private func attributes(of record: TransactionRecord) -> SpanAttributes {
        var attributes: SpanAttributes = [
            "tandem.transaction.id": "\(record.id)", "tandem.state": "\(record.state.rawValue)",
            "tandem.replica": "\(replica)",
        ]
        attributes["tandem.branches"] = record.branches.count
        attributes["tandem.decision"] = record.decision?.rawValue
        if record.attempt > 1 { attributes["tandem.attempt"] = record.attempt }
        attributes["tandem.retry_of"] = record.retryOf?.description
        attributes["tandem.retried_as"] = record.retriedAs?.description
        return attributes
    }

    /// By OpenTelemetry's conventions for spans of database clients, as far as they fit.
    private func attributes(of branch: BranchRecord, _ number: Int) -> SpanAttributes {
        var attributes: SpanAttributes = [
            "db.system.name": "postgresql", "tandem.participant": "\(branch.participant)",
            "tandem.gid": "\(branch.gid)", "tandem.commit_mode": "\(branch.commitMode.rawValue)",
        ]
        attributes["tandem.branch"] = number
        return attributes
    }
}

private struct FieldExtractor: Extractor {
    func extract(key: String, from fields: [String: String]) -> String? { fields[key] }
}

/// A timeline's moments by name.
private struct Moments {
    private let events: [TimelineEvent]

    init(_ timeline: TransactionTimeline) {
        events = timeline.events
    }

    var ofWhole: [TimelineEvent] { events.filter { $0.branch == nil } }

    func time(of moment: TransactionTimeline.Moment, branch: Int? = nil) -> Timestamp? {
        events.first { $0.moment == moment && $0.branch == branch }?.at
    }
}

/// A time of the engine, for a tracer.
private struct Instant: TracerInstant {
    let nanosecondsSinceEpoch: UInt64

    init(_ time: Timestamp) {
        nanosecondsSinceEpoch = UInt64(max(0, time)) * 1000
    }

    static func < (a: Instant, b: Instant) -> Bool {
        a.nanosecondsSinceEpoch < b.nanosecondsSinceEpoch
    }
}
