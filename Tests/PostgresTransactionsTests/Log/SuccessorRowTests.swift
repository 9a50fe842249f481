import CommitProtocol
import EventLoop
import Logging
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("The rows of a transaction that ran again", .timeLimit(.minutes(20)))
@LoopActor
struct SuccessorRowTests {
    @Test("which run followed is written once, with the abort, and the key stays gone")
    func isWrittenOnce() async throws {
        try await withLog { cluster, log in
            let retried = try await log.acceptedRecord(in: "users")
            let next = try await log.successor(of: retried)
            #expect(await log.abort(retried, successor: next) == .retried)
            let aborted = try await log.acceptedRecord(in: "users")
            #expect(await log.perform(LogWrite(.decide(.abort), of: aborted)).isKnown)
            let committed = try await log.acceptedRecord(in: "users")
            for (record, change) in [
                (retried, "retried_as = NULL"), (retried, "retried_as = '9-0000000000000009'"),
                (retried, #"key_digest = '\x01'"#),
                (aborted, "retried_as = '9-0000000000000009'"),
                (committed, "retried_as = '9-0000000000000009'"),
                (
                    committed,
                    "retried_as = '9-0000000000000009', decision = 'commit', decided_at = now()"
                ), (committed, "retry_of = '9-0000000000000009'"), (committed, "attempt = 2"),
            ] {
                await #expect(throws: ClusterError.self, "\(change)") {
                    try await cluster.psql(
                        "UPDATE tandem.transactions SET \(change) "
                            + "WHERE number = \(record.id.number)")
                }
            }
            #expect(try await log.record(retried.id)?.retriedAs == next.id)
        }
    }

    @Test("another replica takes over both runs, the second one undecided")
    func areClaimed() async throws {
        try await PostgresCluster.withTemporaryOnLoop { cluster in
            let former = try await StateDatabase.open(cluster, "former")
            let log = PostgresDecisionLog(former, logger: Logger(label: "test"))
            let first = try await log.acceptedRecord(in: "users")
            let next = try await log.successor(of: first)
            #expect(await log.abort(first, successor: next) == .retried)
            await former.close()
            let state = try await StateDatabase.open(cluster, "heir", ["users"])
            let heir = PostgresDecisionLog(state, logger: Logger(label: "test"))
            let claimed = try await heir.claimUnowned(limit: 10, known: ["users"], active: { [] })
            let rows = claimed.sorted { $0.id < $1.id }
            #expect(rows.map(\.id) == [first.id, next.id])
            #expect(rows.map(\.decision) == [.abort, nil])
            #expect(rows.map(\.retriedAs) == [next.id, nil])
            #expect(rows.map(\.retryOf) == [nil, first.id])
            #expect(rows.map(\.attempt) == [1, 2])
            await state.close()
        }
    }

    @Test("an undecided run that has expired is found by other replicas")
    func expire() async throws {
        try await withLog { cluster, log in
            let first = try await log.acceptedRecord(in: "users")
            _ = try await cluster.psql(
                "UPDATE tandem.transactions SET expires_at = now() - interval '1 minute'")
            let next = try await log.successor(of: first)
            #expect(await log.abort(first, successor: next) == .retried)
            let state = try await StateDatabase.open(cluster, "two")
            let other = PostgresDecisionLog(state, logger: Logger(label: "test"))
            #expect(try await other.expired(limit: 10).map(\.id) == [next.id])
            await state.close()
        }
    }

    @Test("retention removes either without the other")
    func areRemovedAlone() async throws {
        try await withLog { cluster, log in
            let first = try await log.acceptedRecord(in: "users")
            let next = try await log.successor(of: first)
            #expect(await log.abort(first, successor: next) == .retried)
            let third = try await log.successor(of: next)
            #expect(await log.abort(next, successor: third) == .retried)
            for record in [next, first] {
                var ended = record
                (ended.decision, ended.state, ended.finishedAt) = (.abort, .aborted, 1)
                _ = await log.perform(LogWrite(.finish, of: ended))
                #expect(try await log.removeFinished(olderThanSeconds: 0, limit: 10) == 1)
                #expect(try await log.record(record.id) == nil)
            }
            #expect(try await log.record(third.id)?.retryOf == next.id)
        }
    }
}
