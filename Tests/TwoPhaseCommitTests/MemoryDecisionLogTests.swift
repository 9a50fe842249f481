import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@testable import TwoPhaseCommit

@Suite("The next run of a request, without a decision log")
struct MemoryDecisionLogTests {
    private let log = MemoryDecisionLog(on: .shared, random: { 7 })

    @LoopActor
    private func record(after first: TransactionRecord? = nil) async throws -> TransactionRecord {
        let id = try await withCheckedContinuation { reply in
            log.nextTransactionID { reply.resume(returning: $0) }
        }.get()
        let request = TransactionRequest(
            principal: "p", idempotency: nil,
            branches: [.init(participant: "users", statements: [])],
            isolation: .readCommitted, timeout: .seconds(600), labels: [])
        var record = TransactionRecord(
            id: id, request: request, owner: log.replica, epoch: log.epoch, acceptedAt: 0,
            deadline: 600_000_000, branches: [BranchRecord(participant: "users", gid: "g")])
        if let first { (record.attempt, record.retryOf) = (first.attempt + 1, first.id) }
        return record
    }

    private func abort(
        _ record: TransactionRecord, successor: TransactionRecord
    ) async -> LogAnswer {
        await log.perform(LogWrite(.decide(.abort), of: record, successor: successor))
    }

    @Test("is accepted with the abort, once, and the aborted run names it to its end")
    func isAcceptedWithAbort() async throws {
        var first = try await record()
        #expect(await log.perform(LogWrite(.accept, of: first)) == .accepted)
        let next = try await record(after: first)
        for _ in 0..<2 { #expect(await abort(first, successor: next) == .retried) }
        let late = try await record(after: first)
        #expect(await abort(first, successor: late) == .decided(.abort, evidence: []))
        #expect(try await log.record(late.id) == nil)
        (first.decision, first.state, first.finishedAt) = (.abort, .aborted, 1)
        _ = await log.perform(LogWrite(.finish, of: first))
        let ended = try #require(try await log.record(first.id))
        #expect(ended.state == .aborted)
        #expect(ended.retriedAs == next.id)
        let accepted = try #require(try await log.record(next.id))
        #expect(accepted.state == .preparing)
        #expect(accepted.decision == nil)
        #expect(accepted.retryOf == first.id)
        #expect(
            await log.perform(LogWrite(.decide(.commit), of: next))
                == .decided(.commit, evidence: []))
    }

    @Test("is not accepted after another decision", arguments: [Decision.commit, .abort])
    func isNotAcceptedAfterDecision(decision: Decision) async throws {
        let first = try await record()
        #expect(await log.perform(LogWrite(.accept, of: first)) == .accepted)
        let next = try await record(after: first)
        _ = await log.perform(LogWrite(.decide(decision), of: first))
        #expect(await abort(first, successor: next) == .decided(decision, evidence: []))
        #expect(try await log.record(next.id) == nil)
        #expect(try await log.record(first.id)?.retriedAs == nil)
    }
}
