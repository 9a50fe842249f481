package import CommitProtocol
package import EventLoop
package import Logging
package import PostgresClient
package import TransactionEngine

/// The registered participants, by name.
@LoopActor
package final class PostgresParticipants: Participants {
    /// The names, in the order of the configuration.
    package nonisolated let names: [String]
    /// Called with the name of a participant that could not be reached and answers again.
    package var onAnswering: (@LoopActor (String) -> Void)?
    /// Called with the number of participants that a deadlock goes through.
    package var onDeadlock: (@LoopActor (Int) -> Void)? {
        get { detector.onCycle }
        set { detector.onCycle = newValue }
    }
    nonisolated let members: [String: PostgresParticipant]
    /// The SQL of branches that were lately in a deadlock which gates do not prevent.
    private let deadlocks: Contention
    let reservations: SessionReservations
    let detector: DeadlockDetector

    /// Makes the participants and begins to connect to each.
    package convenience init(
        _ options: [ParticipantOptions], state: StateDatabase, queueMax: Int, logger: Logger
    ) throws(PostgresError) {
        try self.init(
            options, registry: SessionRegistry(state: state, logger: logger),
            installation: state.installation, replica: state.options.replica,
            exchange: WaitExchange(state), queueMax: queueMax, loop: state.loop, logger: logger)
    }

    /// Makes participants whose sessions are recorded nowhere, for work without a decision log.
    ///
    /// - Parameter contentionClock: By which contention is forgotten; nil for the loop's.
    package convenience init(
        logless options: [ParticipantOptions], installation: String, allowsFsyncOff: Bool,
        queueMax: Int, loop: EventLoop,
        contentionClock: (@Sendable () -> ContinuousClock.Instant)? = nil, logger: Logger
    ) throws(PostgresError) {
        try self.init(
            options, registry: SessionRegistry(allowsFsyncOff: allowsFsyncOff),
            installation: installation, replica: installation, exchange: nil,
            queueMax: queueMax, loop: loop, contentionClock: contentionClock, logger: logger)
    }

    private init(
        _ options: [ParticipantOptions], registry: SessionRegistry, installation: String,
        replica: String, exchange: WaitExchange?, queueMax: Int, loop: EventLoop,
        contentionClock: (@Sendable () -> ContinuousClock.Instant)? = nil, logger: Logger
    ) throws(PostgresError) {
        let contentionClock = contentionClock ?? { loop.now }
        let servers = ServerDirectory(loop: loop)
        var members: [String: PostgresParticipant] = [:]
        for option in options {
            members[option.name] = try PostgresParticipant(
                option, registry: registry, servers: servers, installation: installation,
                replica: replica, loop: loop, logger: logger)
        }
        self.members = members
        names = options.map(\.name)
        deadlocks = Contention(now: contentionClock)
        reservations = SessionReservations(
            names.compactMap { members[$0] }, contention: Contention(now: contentionClock),
            queueMax: queueMax, loop: loop)
        detector = DeadlockDetector(
            names.compactMap { members[$0]?.lockWatch }, installation: installation,
            exchange: exchange, loop: loop, logger: logger
        ) { [members] gid in members.values.contains { $0.slots.contains(gid) } }
        detector.onDeadlock = { [weak self] in self?.noteDeadlock($0) }
        for (name, member) in members {
            member.onAnswering = { [weak self] in self?.onAnswering?(name) }
        }
    }

    package nonisolated func sessionsMax(of name: String) -> Int? {
        members[name]?.options.poolSize
    }

    package nonisolated func keepsJournal(_ name: String) -> Bool {
        members[name]?.hasUsableJournal.withLock { $0 } ?? false
    }

    package func statuses() async -> [ParticipantStatus] {
        names.compactMap { members[$0]?.status }
    }

    package var waitingRequestCount: Int { reservations.waitingCount }

    /// Closes every session, and refuses the requests that wait for one.
    package func close() async {
        reservations.close()
        for name in names { await members[name]?.close() }
    }

    // MARK: Sessions

    /// Takes a session for every branch, all or none; see `SessionReservations`.
    package func reserve(
        _ requests: [SessionRequest], runsAgain: Bool, within limit: Duration,
        then completion: @escaping Completion<Result<[any BranchSession], AdmissionFailure>>
    ) -> (@LoopActor () -> Void)? {
        reservations.reserve(requests, runsAgain: runsAgain, within: limit, then: completion)
    }

    /// The branches by the names of their participants, and then by their numbers, if SQL like that of
    /// one of them was in a deadlock lately.
    ///
    /// The order costs a transaction a round trip for every branch but the first, during which it keeps
    /// its locks. So mere waits impose none: on one hot row it would only lengthen the queue.
    ///
    /// Every replica knows the names, whatever the order of its configuration. A commit point is no
    /// exception: the state machine takes votes in any order, and holds its session until the last vote
    /// anyhow.
    ///
    /// Closures of one transaction may wait for each other, since they run at once unless the program asks
    /// for an order: two of them are never put into one here.
    package func workOrder(_ requests: [SessionRequest]) -> [Int]? {
        guard requests.count > 1, deadlocks.containsAny(of: requests),
            requests.count(where: { $0.shape == 0 }) < 2
        else { return nil }
        return requests.indices.sorted {
            (requests[$0].participant, $0) < (requests[$1].participant, $1)
        }
    }

    /// Takes notice of a deadlock, by this replica's branches that waited in it.
    ///
    /// Gates keep this replica's transactions from deadlocks over rows that are known. So if each of the
    /// branches has a gate now, and not each had passed one, the cycle will not form again, and all may go on
    /// to work at once. If not, gates do not help: the others are another replica's or another program's, or
    /// the SQL names no row.
    func noteDeadlock(_ branches: [DeadlockDetector.WaitingBranch]) {
        let isPrevented =
            branches.contains { !$0.isGated }
            && branches.allSatisfy { $0.isGated || reservations.hasGate($0.request) }
        guard !isPrevented else { return }
        for branch in branches where branch.request.shape != 0 {
            _ = deadlocks.note(BranchPattern(sqlOf: branch.request))
        }
    }

    // MARK: Finishing and commit points; see `Participants`

    package func finish(
        _ request: FinishRequest, then completion: @escaping Completion<FinishReport>
    ) {
        guard let member = members[request.participant] else {
            return completion(
                FinishReport(.tryAgain, error: Self.unknown(request.participant)))
        }
        member.finish(request, then: completion)
    }

    package func queryCommitPoint(_ query: CommitPointQuery) async -> CommitPointReport {
        await members[query.participant]?.queryCommitPoint(query)
            ?? CommitPointReport(.tryAgain, error: Self.unknown(query.participant))
    }

    package func readCommitPoint(_ query: CommitPointQuery) async -> CommitPointReading {
        await members[query.participant]?.readCommitPoint(query)
            ?? .unknown(reason: Self.unknown(query.participant))
    }

    package func connectNow(to name: String) {
        members[name]?.finishers.attemptNow()
        members[name]?.workers.attemptNow()
    }

    private static func unknown(_ name: String) -> String {
        "no participant named \(name) is configured"
    }

    package func commitStatus(of branch: FinishRequest) async -> FinishInquiry.Reading {
        await members[branch.participant]?.commitStatus(of: branch) ?? .silent
    }

    package func isCommitReplicated(_ branch: FinishRequest) async -> Bool {
        await members[branch.participant]?.isCommitReplicated(branch) ?? false
    }

    /// The prepared transactions of one participant that bear this installation's name, and those
    /// elsewhere on its server that no participant here can end.
    ///
    /// If several participants are on one server, one of them reports such a transaction: the first whose
    /// database it is in, else the first of all.
    package func preparedTransactions(
        in name: String
    ) async throws(ParticipantUnreachable) -> [PreparedTransaction] {
        guard let member = members[name] else { return [] }
        do {
            return try await member.prepared().filter {
                $0.claim == .ours || isReported($0, by: member)
            }
        } catch {
            throw ParticipantUnreachable("\(error)")
        }
    }

    private func isReported(
        _ transaction: PreparedTransaction, by member: PostgresParticipant
    ) -> Bool {
        let system = member.latestFacts?.systemIdentifier
        let candidates = names.compactMap { members[$0] }.filter {
            // One that has not been reached may be on this server as well.
            $0.latestFacts == nil || $0.latestFacts?.systemIdentifier == system
        }
        let isCovered = candidates.contains { other in
            guard let facts = other.latestFacts else {
                return other.options.connection["dbname"] == transaction.database
            }
            return facts.database == transaction.database && facts.user == transaction.owner
        }
        if isCovered { return false }
        let reached = candidates.filter { $0.latestFacts != nil }
        let first =
            reached.first { $0.latestFacts?.database == transaction.database } ?? reached.first
        return first === member
    }

    // MARK: Retention

    /// Removes a batch of old witness rows from every participant that has them.
    package func trimWitnesses(olderThanSeconds seconds: Int64, limit: Int) async {
        for name in names {
            guard let member = members[name], member.options.hasWitness else { continue }
            // A participant that is down now has its turn the next time.
            try? await member.finishers.withConnection(timeout: .seconds(5)) { connection in
                try await Witness.trim(
                    olderThanSeconds: seconds, limit: limit, on: connection)
            }
        }
    }

    /// The same for the records of sessions that are gone.
    func forgetGoneSessions(_ limit: Int) async {
        for name in names { try? await members[name]?.forgetGoneSessions(limit) }
    }

    /// The transactions with greater numbers than this one in a participant's journal, oldest first.
    func journalled(
        in name: String, after number: Int64, limit: Int
    ) async throws -> [GlobalTransactionID] {
        guard keepsJournal(name), let member = members[name] else { return [] }
        return try await member.finishers.withConnection(timeout: member.options.connectTimeout) {
            connection in
            try await connection.rows(
                Journal.decided, [member.installation, "\(number)", "\(limit)"],
                timeout: .seconds(30))
        }
    }

    /// Removes decisions from a participant's journal.
    func forgetJournalled(_ ids: [GlobalTransactionID], in name: String) async throws {
        guard let member = members[name], !ids.isEmpty else { return }
        let command = Journal.forget(ids, installation: member.installation)
        _ = try await member.finishers.withConnection(timeout: member.options.connectTimeout) {
            connection in
            try await connection.query(command.sql, command.parameters, timeout: .seconds(30))
        }
    }
}
