import CommitProtocol
import EventLoop
import Logging
import Testing
import TransactionEngine

/// An engine over fakes, and the row of a transaction that another replica coordinates.
struct Bench {
    let clock = FakeClock()
    let log = FakeLog()
    let participants = FakeParticipants()
    let signals = FakeSignals()
    let engine: TransactionEngine

    @LoopActor
    init(
        _ limits: EngineLimits = EngineLimits(), logger: Logger = Logger(label: "test"),
        observers: [any EngineObserver] = []
    ) {
        engine = TransactionEngine(
            ports: EnginePorts(
                log: log, participants: participants, clock: clock, signals: signals,
                observers: observers,
                random: { $0.lowerBound }),
            encoding: OutcomeEncoding(results: { _ in [] }, problem: { _, _, _ in [] }),
            limits: limits, logger: logger)
    }

    static let server = ServerTimeline(systemIdentifier: "7", timeline: 1)
    static let id = GlobalTransactionID(number: 1, salt: 1)

    static func row(
        _ commitMode: CommitMode, decision: Decision? = nil, number: Int64 = 1, salt: UInt64 = 1
    ) -> TransactionRecord {
        let request = TransactionRequest(
            principal: "p", idempotency: .init(keyDigest: [1], requestDigest: [2]),
            branches: [.init(participant: "users", statements: [Statement(sql: "x")])],
            isolation: .readCommitted, timeout: .seconds(30), labels: [])
        var row = TransactionRecord(
            id: GlobalTransactionID(number: number, salt: salt), request: request,
            owner: "elsewhere", epoch: 1, acceptedAt: 0, deadline: 1,
            branches: [BranchRecord(participant: "users", gid: "g", commitMode: commitMode)])
        row.state = .preparing
        row.decision = decision
        if commitMode == .journal { row.journal = server }
        if commitMode == .onePhase { row.isDelegated = true }
        return row
    }

    func status() async throws(LogUnavailable) -> TransactionRecord? {
        try await engine.status(of: Self.id, principal: "p")
    }

    /// What a repeated key is reported.
    func replay() async -> TransactionAnswer {
        await run(.init(keyDigest: [1], requestDigest: [2]))
    }

    func run(
        _ idempotency: TransactionRequest.Idempotency?, isOnePhase: Bool = false,
        participants: [String] = ["users"],
        execution: TransactionRequest.ExecutionOrder = .parallel, retriesMax: Int = 0
    ) async -> TransactionAnswer {
        await engine.run(
            TransactionRequest(
                principal: "p", idempotency: idempotency,
                branches: participants.map {
                    .init(participant: $0, statements: [Statement(sql: "x")])
                },
                isolation: .readCommitted, timeout: .seconds(30), labels: [],
                execution: execution, retriesMax: retriesMax, isOnePhase: isOnePhase))
    }

    /// Has the engine take over a row of a former incarnation.
    func takeOver(_ row: TransactionRecord) async throws {
        log.put(row)
        log.state.withLock { $0.unowned = [row] }
        try await engine.recoverOnce()
    }

    /// Waits until the commit point is asked and a status waits for the answer.
    func untilStatusWaits() async {
        while clock.armed == 0 || participants.state.withLock({ $0.questions.isEmpty }) {
            await Task.yield()
        }
    }
}
