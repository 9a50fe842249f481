import CommitProtocol
import EventLoop
import PrometheusMetrics
import Testing
import TransactionEngine
import TransactionMetrics

@Suite("What is counted of the engine", .timeLimit(.minutes(20)))
struct EngineMetricsTests {
    private let registry = PrometheusRegistry()
    private let metrics: EngineMetrics

    init() {
        metrics = EngineMetrics(participants: ["users"], factory: registry)
    }

    /// The value of a sample, as it is rendered.
    private func value(_ sample: String) -> String? {
        String(decoding: registry.render(), as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix(sample + " ") }.map { String($0.dropFirst(sample.count + 1)) }
    }

    private func until(_ sample: String, is expected: String) async throws {
        while value(sample) != expected {
            try Task.checkCancellation()
            await Task.yield()
        }
    }

    @Test func `counts a commit with its mode, its phases and its branches`() async throws {
        let bench = await Bench(observers: [metrics])
        bench.log.state.withLock { $0.decision = .decided(.commit, evidence: [nil]) }
        _ = await bench.run(nil)
        try await until(
            #"tandem_transactions_total{commit_mode="two_phase",outcome="committed"}"#, is: "1")
        for phase in ["admission", "work", "decision", "finish"] {
            #expect(value(#"tandem_phase_duration_seconds_count{phase="\#(phase)"}"#) == "1")
        }
        #expect(value(#"tandem_transaction_duration_seconds_count{outcome="committed"}"#) == "1")
        #expect(value(#"tandem_request_duration_seconds_count{answer="committed"}"#) == "1")
        #expect(value("tandem_transaction_branches_sum") == "1")
        #expect(value(#"tandem_aborts_total{cause="statement"}"#) == "0")
    }

    @Test func `counts a refusal by its reason`() async throws {
        let bench = await Bench(observers: [metrics])
        #expect(await bench.engine.drain(within: .seconds(300)))
        _ = await bench.run(nil)
        #expect(value(#"tandem_refusals_total{reason="draining"}"#) == "1")
        #expect(value(#"tandem_request_duration_seconds_count{answer="refused"}"#) == "1")
    }

    @Test func `counts a heuristic outcome and the failure that left it`() async throws {
        let bench = await Bench(observers: [metrics])
        bench.participants.state.withLock { $0.finishReply = .unprovable }
        bench.log.state.withLock { $0.decision = .decided(.commit, evidence: [nil]) }
        _ = await bench.run(nil)
        try await until(
            #"tandem_transactions_total{commit_mode="two_phase",outcome="needs_operator"}"#, is: "1"
        )
        #expect(value(#"tandem_heuristic_outcomes_total{participant="users"}"#) == "1")
        #expect(
            value(#"tandem_finish_failures_total{participant="users",retryable="false"}"#) == "1")
    }

    @Test func `counts failures to finish that are tried again`() async throws {
        let bench = await Bench(observers: [metrics])
        bench.participants.state.withLock { $0.finishReply = .tryAgain }
        bench.log.state.withLock { $0.decision = .decided(.commit, evidence: [nil]) }
        async let answer = bench.run(nil)
        let sample = #"tandem_finish_failures_total{participant="users",retryable="true"}"#
        try await until(sample, is: "1")
        bench.participants.state.withLock { $0.finishReply = .done }
        await bench.engine.participantAnswers("users")
        _ = await answer
        #expect(value(sample) == "1")
    }

    @Test func `counts recovery passes, takeovers and scans`() async throws {
        let bench = await Bench(observers: [metrics])
        try await bench.takeOver(Bench.row(.twoPhase, decision: .commit))
        try await bench.engine.scan("users")
        #expect(value(#"tandem_recovery_passes_total{result="done"}"#) == "1")
        #expect(value("tandem_recovered_transactions_total") == "1")
        #expect(value(#"tandem_scans_total{participant="users",result="done"}"#) == "1")
        #expect(value(#"tandem_unresolved_prepared_transactions{participant="users"}"#) == "0")
        #expect(value(#"tandem_orphaned_prepared_transactions{participant="users"}"#) == "0")
    }

    @Test(arguments: [
        ("40P01", "deadlock", "deadlock"),
        ("40001", "serialization_failure", "serialization_failure"),
    ])
    func `counts retries by what was lost`(
        sqlState: String, cause: String, abort: String
    ) async throws {
        let record = Bench.row(.twoPhase)
        let failure = BranchFailure(
            .statement, statement: 0, report: .init(sqlState: sqlState, message: "lost"))
        await metrics.observe(.retried(record, failure))
        #expect(value(#"tandem_retries_total{cause="\#(cause)"}"#) == "1")
    }

    @Test func `counts what recovery changes, and what it cannot do`() async {
        for event: EngineEvent in [
            .recovered(.abortedExpired), .recovered(.recordedAbort), .recovered(.rolledBack),
            .recoveryFailed, .scanFailed(participant: "users"),
        ] { await metrics.observe(event) }
        for action in ["aborted_expired", "recorded_abort", "rolled_back"] {
            #expect(value(#"tandem_recovery_actions_total{action="\#(action)"}"#) == "1")
        }
        #expect(value(#"tandem_recovery_passes_total{result="failed"}"#) == "1")
        #expect(value(#"tandem_scans_total{participant="users",result="failed"}"#) == "1")
    }

    @Test func `counts deadlocks by what they go through`() {
        metrics.countDeadlock(participantCount: 1)
        metrics.countDeadlock(participantCount: 3)
        #expect(value(#"tandem_deadlock_cycles_total{span="one_participant"}"#) == "1")
        #expect(value(#"tandem_deadlock_cycles_total{span="several_participants"}"#) == "1")
    }

    @Test func `never makes a label of a participant that is not configured`() async {
        await metrics.observe(.heuristicOutcome(participant: "gone"))
        #expect(!String(decoding: registry.render(), as: UTF8.self).contains("gone"))
    }
}
