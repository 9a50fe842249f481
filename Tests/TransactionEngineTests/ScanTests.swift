import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("What a scan finds prepared without a row", .timeLimit(.minutes(20)))
struct ScanTests {
    @Test("finishes every branch of a row that landed after the scan read the rows")
    func rowLandsAfterTheRead() async throws {
        let bench = await Bench()
        let name = PreparedTransactionName(
            installation: bench.log.installation, transaction: Bench.id, branch: 1)
        // The tombstone meets the acceptance, and aborts it.
        var row = Bench.row(.twoPhase, decision: .abort)
        row.branches.append(BranchRecord(participant: "orders", gid: "\(name)"))
        bench.log.put(row)
        bench.log.state.withLock { [row] in
            $0.tombstone = .decided(.abort, evidence: [])
            $0.unowned = [row]
        }
        bench.participants.state.withLock {
            $0.isFinishHeld = true
            $0.prepared = [
                PreparedTransaction(
                    found: .init(name: "\(name)", ageSeconds: 3600), isFromBefore: false)
            ]
        }
        try await bench.engine.scan("orders")
        try await bench.engine.recoverOnce()
        var ended: TransactionRecord?
        while ended?.finishedAt == nil {
            try Task.checkCancellation()
            await Task.yield()
            bench.participants.letBranchesFinish()
            ended = bench.log.state.withLock { $0.rows[Bench.id] }
        }
        #expect(ended?.branches.map(\.outcome) == [.rolledBack, .rolledBack])
        let ends = bench.participants.state.withLock { $0.finishRequests }
        #expect(Set(ends.map(\.gid)) == ["g", "\(name)"])
    }
}
