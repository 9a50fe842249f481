import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("What a scan finds prepared, and no row for it", .timeLimit(.minutes(2)))
struct ScanTests {
    @Test("a row that landed behind the look is ended as it stands, with all its branches")
    func landedBehindTheLook() async throws {
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
            $0.isEndHeld = true
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
            bench.participants.letEnd()
            ended = bench.log.state.withLock { $0.rows[Bench.id] }
        }
        #expect(ended?.branches.map(\.outcome) == [.rolledBack, .rolledBack])
        let ends = bench.participants.state.withLock { $0.ends }
        #expect(Set(ends.map(\.gid)) == ["g", "\(name)"])
    }
}
