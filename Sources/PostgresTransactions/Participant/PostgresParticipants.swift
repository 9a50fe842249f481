public import CommitProtocol
public import EventLoop
public import Logging
public import PostgresClient
public import TransactionEngine

/// The registered participants, and the queue of those who wait for sessions.
@LoopActor
public final class PostgresParticipants: Participants {
    /// The names, in the order of the configuration.
    public nonisolated let names: [String]
    private nonisolated let poolSizes: [String: Int]
    let members: [String: PostgresParticipant]
    private nonisolated let journals: [String: JournalStanding]
    let waiting = SessionQueue()
    var isClosed = false
    private let queueMax: Int
    /// Called with the name of a participant that could not be reached and answers again.
    public var onAnswering: (@LoopActor (String) -> Void)?

    /// How often somebody had to wait.
    private(set) var tickets = 0

    /// Makes the participants and begins to connect to each.
    public convenience init(
        _ options: [ParticipantOptions], state: StateDatabase, queueMax: Int, logger: Logger
    ) throws(PostgresError) {
        try self.init(
            options, registry: SessionRegistry(state: state, logger: logger),
            installation: state.installation,
            replica: state.options.replica, queueMax: queueMax, logger: logger)
    }

    /// Makes participants whose sessions are recorded nowhere, for work without a decision log.
    public convenience init(
        logless options: [ParticipantOptions], installation: String, allowsFsyncOff: Bool,
        queueMax: Int, logger: Logger
    ) throws(PostgresError) {
        try self.init(
            options, registry: SessionRegistry(allowsFsyncOff: allowsFsyncOff),
            installation: installation, replica: installation, queueMax: queueMax, logger: logger)
    }

    private init(
        _ options: [ParticipantOptions], registry: SessionRegistry, installation: String,
        replica: String, queueMax: Int, logger: Logger
    ) throws(PostgresError) {
        let servers = ServerDirectory()
        var members: [String: PostgresParticipant] = [:]
        for option in options {
            members[option.name] = try PostgresParticipant(
                option, registry: registry, servers: servers, installation: installation,
                replica: replica, logger: logger)
        }
        self.members = members
        journals = members.mapValues(\.journal)
        poolSizes = members.mapValues(\.options.poolSize)
        self.queueMax = queueMax
        names = options.map(\.name)
        for member in members.values {
            let name = member.options.name
            member.workers.onIdle = { [weak self] in self?.serve(name) }
            member.workers.onFailure = { [weak self] in self?.serve(name) }
            member.onAnswering = { [weak self] in self?.onAnswering?(name) }
        }
    }

    /// The most sessions that branches may have in a participant; nil if none has that name.
    public nonisolated func sessionsMax(of name: String) -> Int? { poolSizes[name] }

    /// Takes a session for every branch, all or none.
    ///
    /// Who waits holds nothing, so a participant that is slow or dead delays only those who want
    /// it; for whoever has waited longest something is kept (see `SessionQueue.kept`).
    public func reserve(
        _ requests: [SessionRequest], within limit: Duration
    ) async throws(AdmissionFailure) -> [any BranchSession] {
        if isClosed { throw .draining }
        if let sessions = try await takeOrCount(requests) { return sessions }
        guard waiting.count < queueMax else { throw .overloaded(.waiting(limit: queueMax)) }
        tickets += 1
        let ticket = tickets
        let result = await withTaskCancellationHandler {
            await wait(requests, ticket, limit)
        } onCancel: {
            EventLoop.shared.execute { self.stopWaiting(ticket) }
        }
        return try result.get()
    }

    /// Ends a prepared branch.
    public func finish(_ request: FinishRequest) async -> FinishReport {
        guard let member = members[request.participant] else {
            return FinishReport(
                .tryAgain, error: "no participant named \(request.participant) is configured")
        }
        return await member.end(request)
    }

    /// Asks a register what it holds.
    public func queryCommitPoint(_ query: CommitPointQuery) async -> CommitPointReport {
        guard let member = members[query.participant] else {
            return CommitPointReport(
                .tryAgain, error: "no participant named \(query.participant) is configured")
        }
        return await member.ask(query)
    }

    /// Looks at what a register holds.
    public func readCommitPoint(_ query: CommitPointQuery) async -> CommitPointReading {
        guard let member = members[query.participant] else {
            return .unknown(reason: "no participant named \(query.participant) is configured")
        }
        return await member.look(query)
    }

    /// Looks whether a branch of a commit has committed.
    public func commitStatus(of branch: FinishRequest) async -> FinishInquiry.Reading {
        await members[branch.participant]?.look(at: branch) ?? .silent
    }

    /// Whether a later write than a branch's commit is through.
    public func isCommitReplicated(_ branch: FinishRequest) async -> Bool {
        await members[branch.participant]?.hasConfirmed(branch) ?? false
    }

    /// Whether a journal is kept there, and was found in order.
    public nonisolated func keepsJournal(_ name: String) -> Bool {
        journals[name]?.isReady ?? false
    }

    /// The prepared transactions of one participant that bear this installation's name, and those
    /// elsewhere on its server that no participant here can end.
    ///
    /// Of several participants on one server the first one of that database names such a one, or the
    /// first of all.
    public func preparedTransactions(
        in name: String
    ) async throws(ParticipantUnreachable) -> [PreparedTransaction] {
        guard let member = members[name] else { return [] }
        do {
            let found = try await member.prepared()
            // Of no use to the scan, which is when it is done.
            try? await member.countSlots()
            return found.filter { $0.claim == .ours || names(name, $0, on: member) }
        } catch {
            throw ParticipantUnreachable("\(error)")
        }
    }

    private func names(
        _ name: String, _ found: PreparedTransaction, on member: PostgresParticipant
    ) -> Bool {
        let system = member.latestFacts?.systemIdentifier
        let others = names.compactMap { members[$0] }.filter {
            // One that has not been reached may be on this server as well.
            $0.latestFacts == nil || $0.latestFacts?.systemIdentifier == system
        }
        let isCovered = others.contains { other in
            guard let facts = other.latestFacts else {
                return other.options.connection["dbname"] == found.database
            }
            return facts.database == found.database && facts.user == found.owner
        }
        if isCovered { return false }
        let here = others.filter { $0.latestFacts != nil }
        let first = here.first { $0.latestFacts?.database == found.database } ?? here.first
        return first?.options.name == name
    }

    /// Removes a batch of old witness rows from every participant that has them.
    public func trimWitnesses(olderThanSeconds seconds: Int64, limit: Int) async {
        for name in names {
            guard let member = members[name], member.options.hasWitness else { continue }
            // A participant that is down now is asked the next time.
            try? await member.finishers.withConnection(timeout: .seconds(5)) { connection in
                try await Witness.trim(
                    olderThanSeconds: seconds, limit: limit, on: connection)
            }
        }
    }

    /// Removes the records of sessions that are gone, so many at a time, of every participant.
    func forgetGoneSessions(_ limit: Int) async {
        // A participant that is down now is asked the next time.
        for name in names { try? await members[name]?.forgetGoneSessions(limit) }
    }

    /// What is known of each participant.
    public func statuses() async -> [ParticipantStatus] {
        names.compactMap { members[$0]?.status }
    }

    /// Closes every session, and answers who waits for one.
    public func close() async {
        isClosed = true
        for waiter in waiting.removeAll() { waiter.settle(.failure(.draining)) }
        for name in names { await members[name]?.close() }
    }
}
