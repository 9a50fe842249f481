import CommitProtocol
import EventLoop
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("A row holds what was written", .timeLimit(.minutes(20)))
@LoopActor
struct RecordCodingTests {
    private static let evidence = PreparedEvidence(
        transactionID: 1 << 40, owner: #"an "odd" \owner"#, systemIdentifier: "7312345678901234567",
        timeline: 3, location: "1/16B3F90")

    @Test("at acceptance, at the decision and at the end, every value comes back")
    func readsBackWhatWasWritten() async throws {
        try await withLog { _, log in
            var record = try await Self.record(log)
            #expect(await log.perform(LogWrite(.accept, of: record)) == .accepted)
            var row = try #require(try await log.record(record.id))
            #expect(row.principal == record.principal)
            #expect(row.idempotency == record.idempotency)
            #expect(row.labels == record.labels)
            #expect(row.acceptedAt == record.acceptedAt)
            #expect(row.deadline == record.deadline)
            #expect(row.state == .preparing)
            #expect(row.branches == record.branches)

            record.branches[0].vote = .prepared
            record.branches[0].evidence = Self.evidence
            record.branches[1].vote = .readOnly
            record.results = Array(#"[{"rows":[["a\\b","ü"]]}]"#.utf8)
            record.decidedAt = 1_700_000_000_000_001
            #expect(
                await log.perform(LogWrite(.decide(.commit), of: record))
                    == .decided(.commit, evidence: [Self.evidence, nil]))
            row = try #require(try await log.record(record.id))
            #expect(row.decision == .commit)
            #expect(row.decidedAt == record.decidedAt)
            #expect(row.state == .committing)
            #expect(row.results == record.results)
            #expect(row.branches == record.branches)

            record.decision = .commit
            record.state = .needsOperator
            record.branches[0].outcome = .heuristicRollback
            record.branches[0].retries = 2
            record.branches[0].lastError = #"it said "no", twice"#
            _ = await log.perform(LogWrite(.noteOutcomes, of: record))
            #expect(try await log.record(record.id)?.branches == record.branches)

            record.branches[1].outcome = .committed
            record.finishedAt = 1_700_000_000_000_002
            _ = await log.perform(LogWrite(.finish, of: record))
            row = try #require(try await log.record(record.id))
            #expect(row.finishedAt == record.finishedAt)
            #expect(row.state == .needsOperator)
            #expect(row.branches == record.branches)
        }
    }

    @Test(
        "a transaction that ended as usual, in every branch", arguments: [Decision.commit, .abort])
    func readsBackUsualEnd(decision: Decision) async throws {
        try await withLog { _, log in
            var record = try await Self.record(log)
            #expect(await log.perform(LogWrite(.accept, of: record)) == .accepted)
            for index in record.branches.indices {
                let isYes = decision == .commit || index == 0
                record.branches[index].vote = isYes ? .prepared : .no
                record.branches[index].evidence = isYes ? Self.evidence : nil
            }
            record.problem = decision == .commit ? nil : Array(#"{"title":"é"}"#.utf8)
            #expect(await log.perform(LogWrite(.decide(decision), of: record)).isKnown)
            #expect(try await log.record(record.id)?.branches == record.branches)
            record.decision = decision
            record.state = decision == .commit ? .committed : .aborted
            record.finishedAt = 1_700_000_000_000_002
            for index in record.branches.indices {
                record.branches[index].outcome = decision == .commit ? .committed : .rolledBack
            }
            _ = await log.perform(LogWrite(.finish, of: record))
            let row = try #require(try await log.record(record.id))
            #expect(row.state == record.state)
            #expect(row.problem == record.problem)
            #expect(row.branches == record.branches)
        }
    }

    @Test("a decision that was made with other evidence is returned with that evidence")
    func returnsEvidenceOfEarlierDecision() async throws {
        try await withLog { _, log in
            var record = try await Self.record(log)
            #expect(await log.perform(LogWrite(.accept, of: record)) == .accepted)
            let other = record
            record.branches[0].evidence = Self.evidence
            let answer = LogAnswer.decided(.commit, evidence: [Self.evidence, nil])
            // The second is not as the row holds it, and the third is.
            for write in [record, other, record] {
                #expect(await log.perform(LogWrite(.decide(.commit), of: write)) == answer)
            }
            #expect(await log.perform(LogWrite(.decide(.abort), of: record)) == answer)
        }
    }

    @Test("two decisions of one transaction in one flush are never both taken for the row's")
    func answersTwoDecisionsInOneFlush() async throws {
        try await withLog { _, log in
            for _ in 0..<5 {
                let record = try await Self.record(log, hasKey: false)
                #expect(await log.perform(LogWrite(.accept, of: record)) == .accepted)
                let answers = await withCheckedContinuation { reply in
                    var answers: [LogAnswer] = []
                    for decision in [Decision.commit, .abort] {
                        log.perform(LogWrite(.decide(decision), of: record)) {
                            answers.append($0)
                            if answers.count == 2 { reply.resume(returning: answers) }
                        }
                    }
                }
                let known = answers.filter(\.isKnown)
                #expect(known.allSatisfy { $0 == known.first })
                // Asked again, each has the answer that the row holds.
                let held = await log.perform(LogWrite(.decide(.commit), of: record))
                #expect(await log.perform(LogWrite(.decide(.abort), of: record)) == held)
                #expect(known.allSatisfy { $0 == held })
            }
        }
    }

    private static func record(
        _ log: PostgresDecisionLog, hasKey: Bool = true
    ) async throws -> TransactionRecord {
        let id = try await log.nextTransactionID()
        let request = TransactionRequest(
            principal: #"p "1" \"#,
            idempotency: hasKey
                ? .init(keyDigest: [0, 1, 255], requestDigest: [34, 92, 0]) : nil,
            branches: [
                .init(participant: "users", statements: []),
                .init(participant: "orders", statements: []),
            ],
            isolation: .serializable, timeout: .seconds(600),
            labels: [.init(name: "a", value: #"{"x": "\"}"#), .init(name: "b", value: "")])
        var branches = [
            BranchRecord(
                participant: "users", gid: log.preparedName(of: id, branch: 0, branchCount: 2)),
            BranchRecord(
                participant: "orders", gid: log.preparedName(of: id, branch: 1, branchCount: 2)),
        ]
        branches[1].version = 7
        return TransactionRecord(
            id: id, request: request, owner: log.replica, epoch: log.epoch,
            acceptedAt: 1_700_000_000_000_000, deadline: 1_700_000_600_123_456, branches: branches)
    }
}
