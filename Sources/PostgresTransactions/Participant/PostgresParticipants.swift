package import CommitProtocol
package import EventLoop
package import Logging
package import PostgresClient
package import TransactionEngine

/// The registered participants, and the queue of requests that wait for sessions.
@LoopActor
package final class PostgresParticipants: Participants {
    /// The names, in the order of the configuration.
    package nonisolated let names: [String]
    /// Called with the name of a participant that could not be reached and answers again.
    package var onAnswering: (@LoopActor (String) -> Void)?
    nonisolated let members: [String: PostgresParticipant]
    private let loop: EventLoop
    /// The branch shapes that waited for other transactions' locks lately.
    private nonisolated let contendedShapes: ContendedShapes
    /// Participants whose waiting requests are served once slots are counted again.
    private var recounting: Set<String> = []
    let queue = SessionQueue()
    private let queueMax: Int
    private(set) var lastTicket = 0
    let detector: DeadlockDetector
    private var isClosed = false

    /// Makes the participants and begins to connect to each.
    package convenience init(
        _ options: [ParticipantOptions], state: StateDatabase, queueMax: Int,
        loop: EventLoop = .shared, logger: Logger
    ) throws(PostgresError) {
        try self.init(
            options, registry: SessionRegistry(state: state, logger: logger),
            installation: state.installation, replica: state.options.replica, queueMax: queueMax,
            loop: loop, logger: logger)
    }

    /// Makes participants whose sessions are recorded nowhere, for work without a decision log.
    package convenience init(
        logless options: [ParticipantOptions], installation: String, allowsFsyncOff: Bool,
        queueMax: Int, loop: EventLoop = .shared, logger: Logger
    ) throws(PostgresError) {
        try self.init(
            options, registry: SessionRegistry(allowsFsyncOff: allowsFsyncOff),
            installation: installation, replica: installation, queueMax: queueMax, loop: loop,
            logger: logger)
    }

    private init(
        _ options: [ParticipantOptions], registry: SessionRegistry, installation: String,
        replica: String, queueMax: Int, loop: EventLoop, logger: Logger
    ) throws(PostgresError) {
        let servers = ServerDirectory(loop: loop)
        var members: [String: PostgresParticipant] = [:]
        for option in options {
            members[option.name] = try PostgresParticipant(
                option, registry: registry, servers: servers, installation: installation,
                replica: replica, loop: loop, logger: logger)
        }
        self.members = members
        self.loop = loop
        self.queueMax = queueMax
        contendedShapes = ContendedShapes { loop.now }
        names = options.map(\.name)
        detector = DeadlockDetector(
            members.values.map(\.lockWatch), installation: installation, loop: loop,
            logger: logger)
        for (name, member) in members {
            member.workers.onIdle = { [weak self] in self?.serve(name) }
            member.workers.onFailure = { [weak self] in self?.serve(name) }
            member.onAnswering = { [weak self] in self?.onAnswering?(name) }
            member.onContention = { [contendedShapes] shape in
                _ = contendedShapes.note(shape, in: name)
            }
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

    /// Closes every session, and refuses the requests that wait for one.
    package func close() async {
        isClosed = true
        for waiter in queue.removeAll() { waiter.settle(.failure(.draining)) }
        for name in names { await members[name]?.close() }
    }

    // MARK: Sessions

    /// Takes a session for every branch, all or none.
    ///
    /// A request that waits holds no session, so a participant that is slow or dead delays only requests
    /// that need it. The request that has waited longest has sessions kept for it (see
    /// `SessionQueue.kept`).
    package func reserve(
        _ requests: [SessionRequest], runsAgain: Bool, within limit: Duration
    ) async throws(AdmissionFailure) -> [any BranchSession] {
        if isClosed { throw .draining }
        if let sessions = try await takeOrCount(requests) { return sessions }
        guard queue.count < queueMax else { throw .overloaded(.waiting(limit: queueMax)) }
        lastTicket += 1
        let ticket = lastTicket
        let result = await withTaskCancellationHandler {
            await wait(requests, ticket: ticket, within: limit)
        } onCancel: {
            loop.execute { self.stopWaiting(ticket) }
        }
        return try result.get()
    }

    /// Takes sessions, or counts the slots of a server again before it refuses for lack of them.
    private func takeOrCount(
        _ requests: [SessionRequest]
    ) async throws(AdmissionFailure) -> [any BranchSession]? {
        // Each count may clear one participant.
        for _ in requests {
            do throws(AdmissionFailure) {
                return try take(requests)
            } catch {
                guard let member = memberToCount(before: error, of: requests) else { throw error }
                await member.recount()
            }
        }
        return try take(requests)
    }

    /// The participant whose slots are to be counted again before a request is refused; nil if the count
    /// is recent.
    private func memberToCount(
        before refusal: AdmissionFailure, of requests: [SessionRequest]
    ) -> PostgresParticipant? {
        guard case .slotsExhausted(let name, _) = refusal, let member = members[name],
            member.needsCountBeforeRefusal(of: requests.count)
        else { return nil }
        return member
    }

    /// Joins the queue, until there are sessions for all branches or the time is up.
    private func wait(
        _ requests: [SessionRequest], ticket: Int, within limit: Duration
    ) async -> Result<[any BranchSession], AdmissionFailure> {
        await withCheckedContinuation { reply in
            // Other tasks may have run since the caller checked; see `ConnectionPool.acquire`.
            if Task.isCancelled { return reply.resume(returning: .failure(.cancelled)) }
            if isClosed { return reply.resume(returning: .failure(.draining)) }
            do throws(AdmissionFailure) {
                if let sessions = try take(requests) {
                    return reply.resume(returning: .success(sessions))
                }
            } catch {
                return reply.resume(returning: .failure(error))
            }
            let timer = loop.schedule(after: limit) { [weak self] in
                self?.expire(ticket, after: limit)
            }
            queue.append(
                SessionWaiter(ticket: ticket, requests: requests, reply: reply, timer: timer))
        }
    }

    /// Sessions for all branches, nil if some have to be waited for, or why there will be none.
    private func take(
        _ requests: [SessionRequest], ticket: Int? = nil
    ) throws(AdmissionFailure) -> [any BranchSession]? {
        var isReady = true
        for (index, request) in requests.enumerated() {
            let name = request.participant
            // Each participant once, at its first branch.
            guard !requests[..<index].contains(where: { $0.participant == name }),
                let member = members[name]
            else { continue }
            let count = requests.count { $0.participant == name }
            let isBusy = isBusy(member, for: count, ticket: ticket)
            // Of a server that cannot be reached nothing else is known now.
            if isBusy, member.workers.isFailing {
                throw .participantUnavailable(name: name, reason: member.lastFailure)
            }
            if let refusal = slotRefusal(of: member, for: requests) { throw refusal }
            guard isBusy else { continue }
            member.workers.demand(count)
            isReady = false
        }
        guard isReady else { return nil }
        return requests.map { request in
            guard let member = members[request.participant],
                let connection = member.workers.takeIdle()
            else { preconditionFailure("idle sessions were counted a moment ago") }
            return WorkingSession(
                participant: member, connection: connection, commitMode: request.commitMode,
                shape: request.shape)
        }
    }

    /// Whether fewer sessions than so many are idle, not counting those kept for another request.
    private func isBusy(_ member: PostgresParticipant, for count: Int, ticket: Int?) -> Bool {
        let kept = queue.kept(
            of: member.options.name, poolSize: member.options.poolSize, from: ticket)
        return member.workers.idleCount < count + kept
    }

    /// Why the branches that will be prepared there find no slots; nil if they do.
    private func slotRefusal(
        of member: PostgresParticipant, for requests: [SessionRequest]
    ) -> AdmissionFailure? {
        let name = member.options.name
        var (here, onServer) = (0, 0)
        for request in requests where request.commitMode == .twoPhase {
            if request.participant == name { here += 1 }
            // Several participants may be databases of one server.
            guard let server = member.server, members[request.participant]?.server === server
            else { continue }
            onServer += 1
        }
        return member.slotRefusal(for: here, onServer: onServer)
    }

    /// The branches by the names of their participants, and then by their numbers, if one of them has a
    /// contended shape.
    ///
    /// Every replica knows the names, whatever the order of its configuration. A commit point is no
    /// exception: the state machine takes votes in any order, and holds its session until the last vote
    /// anyhow.
    ///
    /// Closures of one transaction may wait for each other, since they run at once unless the program asks
    /// for an order: two of them are never put into one here.
    package nonisolated func workOrder(_ requests: [SessionRequest]) -> [Int]? {
        guard requests.count > 1, contendedShapes.containsAny(of: requests),
            requests.count(where: { $0.shape == 0 }) < 2
        else { return nil }
        return requests.indices.sorted {
            (requests[$0].participant, $0) < (requests[$1].participant, $1)
        }
    }

    // MARK: The queue

    /// Serves the requests that wait for a participant, in order, passing over those that must wait on.
    ///
    /// - Parameter mayCount: whether slots may be counted before a request is refused; it then waits on,
    ///   and is served again after the count.
    private func serve(_ name: String, mayCount: Bool = true) {
        var refused: [SessionWaiter] = []
        queue.serve(name) { waiter in
            do throws(AdmissionFailure) {
                return try take(waiter.requests, ticket: waiter.ticket).map { .success($0) }
            } catch {
                if mayCount, let member = memberToCount(before: error, of: waiter.requests) {
                    recount(member, thenServe: name)
                    return nil
                }
                refused.append(waiter)
                return .failure(error)
            }
        }
        // Requests that come up now are refused by the same count as these.
        for waiter in refused { serveOthers(after: waiter, mayCount: mayCount) }
    }

    /// Counts the slots of a member's server anew, then serves the requests that wait for a participant.
    private func recount(_ member: PostgresParticipant, thenServe name: String) {
        guard recounting.insert(name).inserted else { return }
        Task(executorPreference: loop) {
            await member.recount()
            await self.recounted(name)
        }
    }

    private func recounted(_ name: String) {
        recounting.remove(name)
        serve(name, mayCount: false)
    }

    /// Serves the requests for which the sessions kept for this one are free now.
    private func serveOthers(after waiter: SessionWaiter, mayCount: Bool = true) {
        for name in Set(waiter.requests.map(\.participant)) { serve(name, mayCount: mayCount) }
    }

    private func stopWaiting(_ ticket: Int) {
        guard let waiter = queue.remove(ticket: ticket) else { return }
        waiter.settle(.failure(.cancelled))
        serveOthers(after: waiter)
    }

    private func expire(_ ticket: Int, after limit: Duration) {
        guard let waiter = queue.remove(ticket: ticket) else { return }
        waiter.settle(.failure(reasonForNone(waiter, after: limit)))
        serveOthers(after: waiter)
    }

    /// Why there were no sessions in time: names the first participant that had too few.
    private func reasonForNone(
        _ waiter: SessionWaiter, after limit: Duration
    ) -> AdmissionFailure {
        let needed = waiter.requests.compactMap { members[$0.participant] }
        let missing = needed.first { member in
            isBusy(member, for: needed.count { $0 === member }, ticket: waiter.ticket)
        }
        // A request is served as soon as there are enough sessions everywhere, so one had too few.
        guard let member = missing ?? needed.first else { return .draining }
        let name = member.options.name
        guard member.workers.connectedCount > 0 else {
            return .participantUnavailable(
                name: name, reason: "no connection within \(limit.wholeMilliseconds) ms")
        }
        return .participantBusy(
            name: name,
            sessions: SessionUsage(
                limit: member.options.poolSize, open: member.workers.connectedCount,
                lastError: member.workers.lastFailure.map { "\($0.error)" }), waited: limit)
    }

    // MARK: Finishing and commit points; see `Participants`

    package func finish(_ request: FinishRequest) async -> FinishReport {
        await members[request.participant]?.finish(request)
            ?? FinishReport(.tryAgain, error: Self.unknown(request.participant))
    }

    package func queryCommitPoint(_ query: CommitPointQuery) async -> CommitPointReport {
        await members[query.participant]?.queryCommitPoint(query)
            ?? CommitPointReport(.tryAgain, error: Self.unknown(query.participant))
    }

    package func readCommitPoint(_ query: CommitPointQuery) async -> CommitPointReading {
        await members[query.participant]?.readCommitPoint(query)
            ?? .unknown(reason: Self.unknown(query.participant))
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
