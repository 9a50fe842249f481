import CommitProtocol
import InMemoryTracing
import Testing
import Tracing

@testable import TransactionEngine
@testable import TransactionTraces

@Suite("The spans of a transaction")
struct TransactionSpansTests {
    private static func record(
        _ state: TransactionState, decision: Decision, votes: [Vote] = [.prepared, .prepared],
        outcomes: [Outcome?]
    ) -> TransactionRecord {
        var branches = ["users", "orders"].enumerated().map { number, name in
            BranchRecord(participant: name, gid: "tandem:x:1-1:\(number)")
        }
        for number in branches.indices {
            branches[number].vote = votes[number]
            branches[number].outcome = outcomes[number]
        }
        var record = TransactionRecord(
            id: GlobalTransactionID(number: 1, salt: 1), principal: "p", idempotency: nil,
            isolation: .readCommitted, labels: [], owner: "a", epoch: 1, acceptedAt: 0,
            deadline: 1, state: state, branches: branches)
        record.decision = decision
        return record
    }

    private static func timeline(
        first: TransactionTimeline.Moment = .accepted, traceContext: (any Sendable)? = nil,
        _ events: [(TransactionTimeline.Moment, branch: Int?)]
    ) -> TransactionTimeline {
        var timeline = TransactionTimeline(
            of: GlobalTransactionID(number: 1, salt: 1), branchCount: 2, first: first,
            at: 1_000_000, clock: 0, traceContext: traceContext)
        for (number, event) in events.enumerated() {
            timeline.add(event.0, branch: event.branch, at: Int64(number + 1) * 10)
        }
        return timeline
    }

    private static let commit: [(TransactionTimeline.Moment, branch: Int?)] = [
        (.workBegan, 0), (.workBegan, 1), (.workEnded, 1), (.workEnded, 0),
        (.decisionRequested, nil), (.decided, nil), (.branchFinished, 0), (.attemptFailed, 1),
        (.branchFinished, 1), (.finished, nil),
    ]

    private static func spans(
        _ record: TransactionRecord, _ timeline: TransactionTimeline
    ) -> [FinishedInMemorySpan] {
        let tracer = InMemoryTracer()
        TransactionSpans(tracer: tracer, replica: "a").report(record, timeline)
        return tracer.finishedSpans.sorted {
            $0.startInstant.nanosecondsSinceEpoch < $1.startInstant.nanosecondsSinceEpoch
        }
    }

    @Test("of a commit are the whole, the work and the finish of each branch, and the decision")
    func commit() throws {
        let spans = Self.spans(
            Self.record(.committed, decision: .commit, outcomes: [.committed, .committed]),
            Self.timeline(Self.commit))
        #expect(
            Set(spans.map(\.operationName)) == [
                "transaction", "PREPARE TRANSACTION users", "PREPARE TRANSACTION orders", "decide",
                "COMMIT PREPARED users", "COMMIT PREPARED orders",
            ])
        let root = try #require(spans.first { $0.operationName == "transaction" })
        #expect(root.startInstant.nanosecondsSinceEpoch == 1_000_000_000)
        #expect(root.endInstant.nanosecondsSinceEpoch == 1_000_100_000)
        #expect(root.status == nil)
        #expect(root.attributes.get("tandem.transaction.id") == "1-0000000000000001")
        for span in spans where span.operationName != "transaction" {
            #expect(span.parentSpanID == root.spanID)
        }
        let work = try #require(spans.first { $0.operationName == "PREPARE TRANSACTION users" })
        #expect(work.startInstant.nanosecondsSinceEpoch == 1_000_010_000)
        #expect(work.endInstant.nanosecondsSinceEpoch == 1_000_040_000)
        #expect(work.kind == .client)
        #expect(work.attributes.get("db.system.name") == "postgresql")
        let decide = try #require(spans.first { $0.operationName == "decide" })
        #expect(decide.startInstant.nanosecondsSinceEpoch == 1_000_050_000)
        #expect(decide.endInstant.nanosecondsSinceEpoch == 1_000_060_000)
        let finish = try #require(spans.first { $0.operationName == "COMMIT PREPARED orders" })
        #expect(finish.startInstant.nanosecondsSinceEpoch == 1_000_060_000)
        #expect(finish.endInstant.nanosecondsSinceEpoch == 1_000_090_000)
        #expect(finish.events.map(\.name) == ["attempt failed"])
    }

    @Test("of an abort say which branch voted no")
    func abort() throws {
        let spans = Self.spans(
            Self.record(
                .aborted, decision: .abort, votes: [.prepared, .no],
                outcomes: [.rolledBack, .rolledBack]),
            Self.timeline(Self.commit))
        let root = try #require(spans.first { $0.operationName == "transaction" })
        #expect(root.status?.code == .error)
        let refused = try #require(
            spans.first { $0.operationName == "PREPARE TRANSACTION orders" })
        #expect(refused.status == SpanStatus(code: .error, message: "voted no"))
        #expect(spans.contains { $0.operationName == "ROLLBACK PREPARED users" })
    }

    @Test("of a takeover have an event, and no work that another replica did")
    func takeover() throws {
        let spans = Self.spans(
            Self.record(.committed, decision: .commit, outcomes: [.committed, .committed]),
            Self.timeline(
                first: .takenOver, [(.branchFinished, 0), (.branchFinished, 1), (.finished, nil)]))
        #expect(
            Set(spans.map(\.operationName)) == [
                "transaction", "COMMIT PREPARED users", "COMMIT PREPARED orders",
            ])
        let root = try #require(spans.first { $0.operationName == "transaction" })
        #expect(root.events.map(\.name) == ["taken over"])
    }

    @Test("continue the caller's trace")
    func parent() throws {
        let tracer = InMemoryTracer()
        let caller = tracer.startSpan("caller", context: .topLevel)
        TransactionSpans(tracer: tracer, replica: "a").report(
            Self.record(.committed, decision: .commit, outcomes: [.committed, .committed]),
            Self.timeline(traceContext: caller.context, Self.commit))
        let root = try #require(
            tracer.finishedSpans.first { $0.operationName == "transaction" })
        #expect(root.parentSpanID == caller.spanID)
        #expect(root.traceID == caller.traceID)
    }
}
