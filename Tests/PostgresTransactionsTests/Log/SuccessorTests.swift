import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("An abort and the acceptance of the next run are one write", .timeLimit(.minutes(20)))
@LoopActor
struct SuccessorTests {
    private static let key = TransactionRequest.Idempotency(keyDigest: [1], requestDigest: [2])
    private static let aborted = LogAnswer.decided(.abort, evidence: [nil])

    @Test("the next run has the key, and expires when the first one would have")
    func movesKey() async throws {
        try await withLog { cluster, log in
            let first = try await log.acceptedRecord(in: "users", Self.key)
            let next = try await log.successor(of: first)
            #expect(await log.abort(first, successor: next) == .retried)

            let row = try #require(try await log.record(first.id))
            #expect(row.decision == .abort)
            #expect(row.state == .aborting)
            #expect(row.idempotency == nil)
            #expect(row.attempt == 1)
            #expect(row.retriedAs == next.id)

            let accepted = try #require(
                try await log.record(principal: "p", keyDigest: Self.key.keyDigest))
            #expect(accepted.id == next.id)
            #expect(accepted.idempotency == Self.key)
            #expect(accepted.decision == nil)
            #expect(accepted.state == .preparing)
            #expect(accepted.attempt == 2)
            #expect(accepted.retryOf == first.id)
            #expect(accepted.retriedAs == nil)
            #expect(accepted.deadline == first.deadline)
            #expect(
                try await cluster.psql(
                    "SELECT count(DISTINCT expires_at) FROM tandem.transactions") == "1")

            // It can be retried itself.
            let third = try await log.successor(of: next)
            #expect(await log.abort(next, successor: third) == .retried)
            #expect(try await log.keyHolder(Self.key) == third.id)
            #expect(try await log.record(third.id)?.attempt == 3)
            #expect(
                try await cluster.psql(
                    "SELECT count(DISTINCT expires_at) FROM tandem.transactions") == "1")
        }
    }

    @Test("other sessions see neither or both, and another request with the key waits and loses")
    func losesNoKeyInBetween() async throws {
        try await withLog { cluster, log in
            let other = try await StateDatabase.open(cluster, "two")
            let otherLog = PostgresDecisionLog(other, logger: Logger(label: "test"))
            let first = try await log.acceptedRecord(in: "users", Self.key)
            let next = try await log.successor(of: first)
            let rival = try await otherLog.unacceptedRecord(in: "users", Self.key)
            // The row is aborted and its key is free, and the successor is not inserted yet.
            let pause = try await cluster.pauseBeforeSuccessors()
            let abort = Task { await log.abort(first, successor: next) }
            try await cluster.untilLocksAreAwaited(by: 1)
            let accepting = Task { await otherLog.perform(LogWrite(.accept, of: rival)) }
            try await cluster.untilLocksAreAwaited(by: 2)
            #expect(try await log.keyHolder(Self.key) == first.id)
            #expect(try await log.record(first.id)?.decision == nil)
            #expect(try await log.record(next.id) == nil)
            pause.release()
            #expect(await abort.value == .retried)
            #expect(await accepting.value == .keyTaken)
            #expect(try await log.keyHolder(Self.key) == next.id)
            #expect(try await log.record(rival.id) == nil)
            await other.close()
        }
    }

    @Test("a successor that cannot be accepted leaves the row undecided, with the key")
    func abortsNothingWithoutSuccessor() async throws {
        try await withLog { cluster, log in
            let first = try await log.acceptedRecord(in: "users", Self.key)
            let other = try await log.acceptedRecord(in: "users")
            let next = try await log.successor(of: first)
            _ = try await cluster.psql(
                "UPDATE tandem.transactions SET number = \(next.id.number) "
                    + "WHERE number = \(other.id.number)")
            let answer = await log.abort(first, successor: next)
            #expect(!answer.isKnown)
            #expect(try await log.record(first.id)?.decision == nil)
            #expect(try await log.keyHolder(Self.key) == first.id)
        }
    }

    @Test("sent again after its answer was lost, it has the same answer")
    func answersRepeatedWrite() async throws {
        try await withLog { cluster, log in
            let first = try await log.acceptedRecord(in: "users", Self.key)
            var next = try await log.successor(of: first)
            #expect(await log.abort(first, successor: next) == .retried)
            #expect(await log.abort(first, successor: next) == .retried)
            #expect(try await cluster.psql("SELECT count(*) FROM tandem.transactions") == "2")
            // Another successor comes too late.
            let late = try await log.successor(of: first)
            #expect(await log.abort(first, successor: late) == Self.aborted)
            #expect(try await log.record(late.id) == nil)
            // Another replica may have aborted the first one meanwhile, and removed it.
            #expect(await log.perform(LogWrite(.decide(.abort), of: next)) == Self.aborted)
            (next.decision, next.state, next.finishedAt) = (.abort, .aborted, 1)
            _ = await log.perform(LogWrite(.finish, of: next))
            #expect(try await log.removeFinished(olderThanSeconds: 0, limit: 10) == 1)
            #expect(await log.abort(first, successor: next) == .retried)
            #expect(try await log.record(next.id) == nil)
        }
    }

    @Test("sent again while the first one is being written, it has the same answer")
    func answersRepeatedWriteUnderWay() async throws {
        try await withLog { cluster, log in
            let first = try await log.acceptedRecord(in: "users", Self.key)
            let next = try await log.successor(of: first)
            let pause = try await cluster.pauseBeforeSuccessors()
            let abort = Task { await log.abort(first, successor: next) }
            try await cluster.untilLocksAreAwaited(by: 1)
            // Another connection of this incarnation, as after the loss of the first one.
            let again = try await StateDatabase.open(cluster, "again")
            let other = PostgresDecisionLog(again, logger: Logger(label: "test"))
            let repeated = Task { await other.abort(first, successor: next) }
            try await cluster.untilLocksAreAwaited(by: 2)
            pause.release()
            #expect(await abort.value == .retried)
            let answer = await repeated.value
            // The statement began before the first one was durable, so it may have failed.
            #expect(answer == .retried || !answer.isKnown)
            #expect(await other.abort(first, successor: next) == .retried)
            #expect(try await cluster.psql("SELECT count(*) FROM tandem.transactions") == "2")
            await again.close()
        }
    }

    @Test(
        "an earlier decision is the answer, and there is no successor",
        arguments: [Decision.commit, .abort]
    )
    func obeysEarlierDecision(decision: Decision) async throws {
        try await withLog { cluster, log in
            let first = try await log.acceptedRecord(in: "users", Self.key)
            let next = try await log.successor(of: first)
            let decided = await log.perform(LogWrite(.decide(decision), of: first))
            #expect(decided == .decided(decision, evidence: [nil]))
            #expect(await log.abort(first, successor: next) == decided)
            #expect(try await log.keyHolder(Self.key) == first.id)
            #expect(try await log.record(first.id)?.retriedAs == nil)
            #expect(try await cluster.psql("SELECT count(*) FROM tandem.transactions") == "1")

            let unaccepted = try await log.unacceptedRecord(in: "users")
            let successor = try await log.successor(of: unaccepted)
            #expect(await log.abort(unaccepted, successor: successor) == .missing)
            #expect(try await cluster.psql("SELECT count(*) FROM tandem.transactions") == "1")
        }
    }

    @Test("where a commit point decides, the copy of its abort has the successor")
    func copiesAbort() async throws {
        try await withLog { cluster, log in
            let first = try await log.journalRecord(Self.key)
            #expect(await log.perform(LogWrite(.accept, of: first)) == .accepted)
            var next = try await log.successor(of: first)
            next.journal = first.journal
            #expect(
                await log.abort(first, successor: next) == .delegated(evidence: [nil]))
            #expect(try await log.record(next.id) == nil)
            for _ in 0..<2 {
                let answer = await log.perform(
                    LogWrite(.copy(.abort), of: first, successor: next))
                #expect(answer == .retried)
            }
            #expect(try await log.keyHolder(Self.key) == next.id)
            #expect(try await log.record(next.id)?.journal == first.journal)
            #expect(
                try await cluster.psql(
                    """
                    SELECT decision, decision_from, key_digest IS NULL, retried_as, expires_at =
                        (SELECT expires_at FROM tandem.transactions WHERE number = \(next.id.number))
                    FROM tandem.transactions WHERE number = \(first.id.number)
                    """) == "abort|commitPoint|t|\(next.id)|t")
            #expect(await log.perform(LogWrite(.copy(.commit), of: next)).isKnown)
            let late = try await log.successor(of: next)
            #expect(
                await log.perform(LogWrite(.copy(.abort), of: next, successor: late))
                    == .decided(.commit, evidence: [nil]))
            #expect(try await log.record(late.id) == nil)
        }
    }

    @Test("a copy without a row has the successor, unless another transaction holds the key")
    func copiesAbortWithoutRow() async throws {
        try await withLog { cluster, log in
            let first = try await log.journalRecord(Self.key)
            let next = try await log.successor(of: first)
            #expect(
                await log.perform(LogWrite(.copy(.abort), of: first, successor: next)) == .retried)
            #expect(try await log.keyHolder(Self.key) == next.id)
            let second = try await log.journalRecord(Self.key)
            let late = try await log.successor(of: second)
            #expect(
                await log.perform(LogWrite(.copy(.abort), of: second, successor: late))
                    == Self.aborted)
            #expect(try await log.record(late.id) == nil)
            #expect(try await log.record(second.id)?.retriedAs == nil)
            #expect(try await log.keyHolder(Self.key) == next.id)
        }
    }

    @Test("one flush writes several, each with its answer")
    func writesSeveralInOneFlush() async throws {
        try await withLog { cluster, log in
            let keyed = try await log.acceptedRecord(in: "users", Self.key)
            let other = try await log.acceptedRecord(in: "users")
            let committed = try await log.acceptedRecord(in: "users")
            let plain = try await log.acceptedRecord(in: "users")
            _ = await log.perform(LogWrite(.decide(.commit), of: committed))
            let writes = [
                try await log.retry(of: keyed), try await log.retry(of: committed),
                LogWrite(.decide(.abort), of: plain), try await log.retry(of: other),
            ]
            let answers = try await log.performTogether(writes, cluster)
            #expect(
                answers == [
                    .retried, .decided(.commit, evidence: [nil]), Self.aborted, .retried,
                ])
            #expect(
                try await cluster.psql(
                    """
                    SELECT count(*), count(DISTINCT xmin::text), count(key_digest)
                    FROM tandem.transactions WHERE attempt = 2
                    """) == "2|1|1")
            #expect(try await log.record(plain.id)?.retriedAs == nil)
        }
    }

    @Test("a decision without a successor is the statement that it was")
    func leavesOrdinaryDecisionAlone() async throws {
        try await withLog { _, log in
            let record = try await log.unacceptedRecord(in: "users")
            let write = LogWrite(.decide(.abort), of: record)
            let kind = FlushStatement.Kind(of: write)
            #expect(kind == .decide)
            #expect(kind == FlushStatement.Kind(of: LogWrite(.decide(.commit), of: record)))
            let sql = kind.statement.command(write).sql
            #expect(!sql.contains("retried_as") && !sql.contains("key_digest"))
        }
    }
}

/// Runs a body with the log of a throwaway server.
@LoopActor
func withLog(
    _ body: @LoopActor @Sendable (PostgresCluster, PostgresDecisionLog) async throws -> Void
) async throws {
    try await PostgresCluster.withTemporaryOnLoop { cluster in
        let state = try await StateDatabase.open(cluster, "one")
        try await body(cluster, PostgresDecisionLog(state, logger: Logger(label: "test")))
        await state.close()
    }
}

extension PostgresDecisionLog {
    /// The next run of a record's request.
    func successor(of record: TransactionRecord) async throws -> TransactionRecord {
        var next = try await unacceptedRecord(in: "users", record.idempotency)
        next.attempt = record.attempt + 1
        next.retryOf = record.id
        return next
    }

    func retry(of record: TransactionRecord) async throws -> LogWrite {
        LogWrite(.decide(.abort), of: record, successor: try await successor(of: record))
    }

    func abort(_ record: TransactionRecord, successor: TransactionRecord) async -> LogAnswer {
        await perform(LogWrite(.decide(.abort), of: record, successor: successor))
    }

    /// The id of the row that holds the key.
    fileprivate func keyHolder(
        _ key: TransactionRequest.Idempotency
    ) async throws -> GlobalTransactionID? {
        try await record(principal: "p", keyDigest: key.keyDigest)?.id
    }

    /// The record of a row whose branch decides by a journal.
    fileprivate func journalRecord(
        _ key: TransactionRequest.Idempotency
    ) async throws -> TransactionRecord {
        var record = try await unacceptedRecord(in: "users", key)
        record.branches = record.branches.map {
            BranchRecord(participant: $0.participant, gid: $0.gid, commitMode: .journal)
        }
        record.journal = ServerTimeline(systemIdentifier: "1", timeline: 1)
        return record
    }

    /// Performs writes in one flush: those that come while a flush is under way go into the next.
    fileprivate func performTogether(
        _ writes: [LogWrite], _ cluster: PostgresCluster
    ) async throws -> [LogAnswer] {
        let loop = EventLoop.shared
        let before = try await unacceptedRecord(in: "users")
        let table = try await cluster.hold("LOCK TABLE tandem.transactions IN SHARE MODE")
        let accepting = Task(executorPreference: loop) {
            await self.perform(LogWrite(.accept, of: before))
        }
        try await cluster.untilLocksAreAwaited(by: 1)
        let performing = writes.map { write in
            Task(executorPreference: loop) { await self.perform(write) }
        }
        for _ in 0..<10 { await Task.yield() }
        table.release()
        #expect(await accepting.value == .accepted)
        var answers: [LogAnswer] = []
        for task in performing { answers.append(await task.value) }
        return answers
    }
}

extension PostgresCluster {
    /// Makes every write with a successor wait before it inserts the successor's row.
    @LoopActor
    fileprivate func pauseBeforeSuccessors() async throws -> Hold {
        _ = try await psql(
            """
            CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
            CREATE TRIGGER pause BEFORE INSERT ON tandem.transactions
                FOR EACH ROW WHEN (NEW.attempt > 1) EXECUTE FUNCTION pause()
            """)
        return try await hold("SELECT pg_advisory_xact_lock(1)")
    }
}
