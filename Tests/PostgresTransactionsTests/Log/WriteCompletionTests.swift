import CommitProtocol
import EventLoop
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("The log answers by completions, on the loop", .timeLimit(.minutes(20)))
@LoopActor
struct WriteCompletionTests {
    @Test("an id is there before the call returns, once a block of numbers is")
    func handsOutIDsAtOnce() async throws {
        try await withLog { _, log in
            let first = try await log.nextTransactionID()
            var ids: [GlobalTransactionID] = []
            for _ in 0..<100 {
                log.nextTransactionID { if let id = try? $0.get() { ids.append(id) } }
            }
            #expect(ids.map(\.number) == (1...100).map { first.number + $0 })
            #expect(Set(ids.map(\.salt)).count == 100)
        }
    }

    @Test("the completion of an acceptance may decide, and of a refused write may write again")
    func mayWriteFromCompletion() async throws {
        try await withLog { cluster, log in
            let record = try await log.unacceptedRecord(in: "users")
            let answers = await withCheckedContinuation {
                (done: CheckedContinuation<[LogAnswer], Never>) in
                log.perform(LogWrite(.accept, of: record)) { accepted in
                    log.perform(LogWrite(.decide(.commit), of: record)) { decided in
                        done.resume(returning: [accepted, decided])
                    }
                }
            }
            #expect(answers.first == .accepted)
            #expect(answers.last?.isKnown == true)
            #expect(
                try await cluster.psql("SELECT decision FROM tandem.transactions") == "commit")

            await log.state.close()
            let late = await withCheckedContinuation {
                (done: CheckedContinuation<[LogAnswer], Never>) in
                log.perform(LogWrite(.accept, of: record)) { first in
                    log.perform(LogWrite(.accept, of: record)) { second in
                        done.resume(returning: [first, second])
                    }
                }
            }
            for answer in late {
                guard case .notWritten = answer else {
                    Issue.record("Expected that nothing was written, got \(answer)")
                    continue
                }
            }
        }
    }

    @Test("all writes of a turn are one flush, whatever session the last one was lost with")
    func writesTurnTogether() async throws {
        try await withLog { cluster, log in
            let records = [
                try await log.unacceptedRecord(in: "users"),
                try await log.unacceptedRecord(in: "users"),
            ]
            for (number, record) in records.enumerated() {
                if number == 1 { log.state.closeWriter() }
                let other = try await log.unacceptedRecord(in: "users")
                let answers = await withCheckedContinuation {
                    (done: CheckedContinuation<[LogAnswer], Never>) in
                    var answers: [LogAnswer] = []
                    for record in [record, other] {
                        log.perform(LogWrite(.accept, of: record)) {
                            answers.append($0)
                            if answers.count == 2 { done.resume(returning: answers) }
                        }
                    }
                }
                #expect(answers == [.accepted, .accepted])
            }
            // Rows of one transaction of the database have the same xmin.
            #expect(
                try await cluster.psql(
                    "SELECT count(*), count(DISTINCT xmin::text) FROM tandem.transactions")
                    == "4|2")
        }
    }
}

@Suite("Random numbers come from the kernel many at a time")
struct BufferedRandomTests {
    @Test("no number comes twice, over several refills")
    func repeatsNothing() {
        let random = BufferedRandom()
        #expect(Set((0..<1000).map { _ in random.next() }).count == 1000)
    }
}
