import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@testable import PostgresTransactions

/// Servers whose data directories were copied from one have one system identifier, and may give two processes
/// the same number.
@Suite("Two servers with one system identifier")
@LoopActor
struct TwinServerTests {
    private static let first = RunningServer(systemIdentifier: "7", startedAt: "1")
    private static let second = RunningServer(systemIdentifier: "7", startedAt: "2")

    /// The server hides when a process of another role started, so that cannot tell them apart.
    @Test("a stranger on one is not taken for a session on the other", arguments: [nil, "s"])
    func stranger(startedAt: String?) {
        let session = Session(on: Self.first, 11)
        let sessions = LockWatch.byProcess([session])
        func reading(_ server: RunningServer) -> LockReading {
            LockReading(
                participant: "p",
                LockListing(server: server, processes: [11: Self.process(11, startedAt)]),
                before: sessions, after: sessions)
        }
        #expect(reading(Self.second).sessions.isEmpty)
        #expect(reading(Self.first).sessions[11] === session)
    }

    @Test("each one's sessions are known, although their processes have the same number")
    func sameNumber() {
        let sessions = [Session(on: Self.first, 11), Session(on: Self.second, 11)]
        #expect(LockWatch.byProcess(sessions).count == 2)
    }

    /// One transaction waits for a stranger on one server, and a stranger with the same number waits for
    /// it on the other.
    @Test("strangers with one number are two, and close no cycle")
    func cycle() {
        let waiting = Session(on: Self.first, 11)
        let blocking = Session(on: Self.second, 12)
        let sessions = LockWatch.byProcess([waiting, blocking])
        let readings = [
            LockReading(
                participant: "p",
                LockListing(
                    server: Self.first, processes: [11: Self.process(11, "s", waitsFor: 20)]),
                before: sessions, after: sessions),
            LockReading(
                participant: "q",
                LockListing(
                    server: Self.second, processes: [20: Self.process(20, nil, waitsFor: 12)]),
                before: sessions, after: sessions),
        ]
        let parties = LockParties(installation: "i", sessions: [waiting, blocking])
        let edges = FoundWaits(readings, parties).edges
        #expect(edges.count == 2)
        #expect(WaitGraph(edges).deadlocks().isEmpty)
    }

    @Test("another replica's session is one server's, and no stranger's on the other")
    func otherReplica() {
        let published = PublishedSession(
            transaction: Session.id, age: Session.id, branch: 0,
            process: ServerProcess(server: Self.first, id: 11), virtualTransaction: "3/1")
        let parties = LockParties(
            installation: "i", sessions: [any WatchedSession](), elsewhere: [published])
        func party(on server: RunningServer) -> LockParty {
            let reading = LockReading(
                participant: "p",
                LockListing(server: server, processes: [11: Self.process(11, "s")]), before: [:],
                after: [:])
            return parties.party(11, in: reading)
        }
        #expect(party(on: Self.first) == .transaction(Session.id, age: Session.id))
        #expect(party(on: Self.second) == .stranger(server: "7 2", processID: 11))
    }

    private static func process(
        _ id: Int32, _ startedAt: String?, waitsFor blocker: Int32? = nil
    ) -> LockProcess {
        LockProcess(
            id: id, startedAt: startedAt, applicationName: nil, role: nil, query: "",
            virtualTransaction: "3/1",
            wait: blocker.map {
                LockWait(
                    identity: "w", since: 0, relation: nil, row: nil, rowKey: nil, blockers: [$0],
                    gids: [])
            })
    }

    /// A session of one transaction.
    @LoopActor
    private final class Session: WatchedSession {
        nonisolated static let id = GlobalTransactionID(number: 1, salt: 0)

        let process: ServerProcess?
        let startedAt: String? = "s"
        let gid: String?
        let age: GlobalTransactionID? = Session.id
        let isWorking = true
        let isStopped = false

        init(on server: RunningServer, _ number: Int32) {
            process = ServerProcess(server: server, id: number)
            gid = "tandem:i:\(Self.id):\(number)"
        }

        func note(_ reading: LockReading) {}
        func stop(_ kind: BranchFailure.Kind, running query: String) {}
        func statement(running query: String) -> Int? { nil }
    }
}
