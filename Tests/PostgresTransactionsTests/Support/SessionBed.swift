import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import StatementGate
import Testing
import TransactionEngine

@testable import PostgresTransactions

/// Two participants, `a` and `b`, which are one database of one server here, and requests for their sessions.
@LoopActor
struct SessionBed {
    typealias Sessions = [any BranchSession]

    let participants: PostgresParticipants

    var reservations: SessionReservations { participants.reservations }
    var lastTicket: Int { reservations.lastTicket }
    var waitingCount: Int { reservations.waitingCount }

    /// Runs a body with participants all of whose sessions are open, and idle.
    static func run(
        poolSize: Int, queueMax: Int = 100,
        _ body: @escaping @LoopActor @Sendable (SessionBed) async throws -> Void
    ) async throws {
        try await PostgresCluster.withTemporary(
            settings: ["fsync": "off", "max_prepared_transactions": "10"]
        ) { @LoopActor cluster in
            let connection = try ConnectionOptions(conninfo: cluster.connectionString())
            let options = ["a", "b"].map { name in
                var options = ParticipantOptions(name: name, connection: connection)
                options.poolSize = poolSize
                options.connectTimeout = .seconds(300)
                // A branch waits for a lock until a test releases it.
                options.lockTimeout = .zero
                options.statementTimeout = .zero
                return options
            }
            let participants = try PostgresParticipants(
                logless: options, installation: "i", allowsFsyncOff: true, queueMax: queueMax,
                // Nothing is forgotten, however long a test takes.
                loop: .shared, contentionClock: { [now = ContinuousClock.now] in now },
                logger: Logger(label: "test"))
            let bed = SessionBed(participants: participants)
            var all: Sessions = []
            for name in ["a", "b"] {
                for _ in 0..<poolSize { all += try await bed.take(of: name) }
            }
            await bed.release(all)
            try await body(bed)
            await participants.close()
        }
    }

    func contendedSessions(_ name: String) -> Int? {
        participants.members[name]?.contendedSessions.count
    }

    /// Requests with this SQL, one for each name, for a row; for a row of its own each if none is given.
    func requests(_ shape: Int, row: Int? = nil, of names: [String]) -> [SessionRequest] {
        names.map { name in
            SessionRequest(
                participant: name, commitMode: .twoPhase, shape: shape,
                parameters: [row ?? .random(in: 1000 ... .max)])
        }
    }

    /// Says that a branch in this participant was seen waiting: for a row, or for one that its SQL does not
    /// name.
    func noteContention(of shape: Int, row: Int? = nil, in name: String = "a") {
        let (waiter, rival) = (
            requests(shape, row: row, of: [name]), requests(shape, row: row, of: [name])
        )
        participants.members[name]?.onContention?(waiter[0], rival)
    }

    /// Takes a session of each.
    func take(
        _ shape: Int = 0, row: Int? = nil, of names: String...
    ) async throws -> Sessions {
        try await participants.reserve(
            requests(shape, row: row, of: names.isEmpty ? ["a"] : names), within: .seconds(300))
    }

    /// Asks for a session of each, and returns when it waits, or is answered.
    func ask(
        _ shape: Int = 0, row: Int? = nil, of names: String..., runsAgain: Bool = false,
        within limit: Duration = .seconds(86_400)
    ) async -> Task<Sessions, any Error> {
        await ask(
            for: requests(shape, row: row, of: names.isEmpty ? ["a"] : names),
            runsAgain: runsAgain, within: limit)
    }

    func ask(
        for requests: [SessionRequest], runsAgain: Bool = false,
        within limit: Duration = .seconds(86_400)
    ) async -> Task<Sessions, any Error> {
        let tickets = lastTicket
        let answered = Flag()
        let task = Task(executorPreference: EventLoop.shared) {
            let result = await reserve(requests, runsAgain: runsAgain, within: limit)
            await answered.set()
            return try result.get()
        }
        while lastTicket == tickets, !answered.isSet { await Task.yield() }
        return task
    }

    private func reserve(
        _ requests: [SessionRequest], runsAgain: Bool, within limit: Duration
    ) async -> Result<Sessions, AdmissionFailure> {
        do throws(AdmissionFailure) {
            return .success(
                try await participants.reserve(requests, runsAgain: runsAgain, within: limit))
        } catch {
            return .failure(error)
        }
    }

    @LoopActor
    private final class Flag {
        private(set) var isSet = false

        func set() { isSet = true }
    }

    /// Releases sessions, and returns when those have been served that waited for them.
    func release(_ sessions: Sessions) async {
        for session in sessions { session.release() }
        await endOfTurn()
    }

    func release(_ sessions: [Sessions]) async { await release(Array(sessions.joined())) }

    /// What is due at the end of the loop's turn has been done.
    func endOfTurn() async {
        await withCheckedContinuation { reply in
            EventLoop.shared.atEndOfTurn { reply.resume() }
        }
    }

    /// Has a session do a branch's work.
    func work(
        _ sql: String, in session: any BranchSession, number: Int64, mode: CommitMode = .twoPhase
    ) async throws -> WorkReport {
        let id = GlobalTransactionID(number: number, salt: 0)
        return await session.work(
            WorkRequest(
                gid: "tandem:i:\(id):0",
                work: .statements([
                    try InspectedStatement(inspecting: Statement(sql: sql), for: mode)
                ]),
                isolation: .readCommitted, commitMode: mode, age: id))
    }
}
