import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// The ends of prepared branches.
extension PostgresParticipant {
    /// Finishes a prepared branch, or says what stands in the way.
    ///
    /// - Parameter completion: called once, on the loop; before this returns if nothing can be sent.
    func finish(
        _ request: FinishRequest, then completion: @escaping Completion<FinishReport>
    ) {
        // Nothing queues for a server that is known to be unreachable; see `circuit`.
        guard circuit == .closed else {
            return completion(FinishReport(.tryAgain, error: unreachable))
        }
        BranchFinishing(request, in: self, then: completion).begin()
    }

    /// Accepts an end only once a later write is durable, if it was only read or its wait for a standby was
    /// cut short.
    ///
    /// Otherwise a standby that never received it could be promoted, and would hold the branch again,
    /// although its transaction is finished.
    func confirmed(
        _ report: FinishReport, at server: ServerTimeline?
    ) async -> FinishReport {
        let confirmed = await confirmedServer()
        return confirmed != nil && confirmed == server
            ? report : FinishReport(.tryAgain, error: "no standby has confirmed its commit yet")
    }

    /// Why this server is not the branch's; nil if it may be.
    ///
    /// It is not final: the configuration may lead back to the right server.
    func serverObstacle(
        to request: FinishRequest, on connection: PostgresConnection
    ) -> String? {
        guard let facts = connection.session?.facts else { return "the session was lost" }
        // A version is one database of one server, so the session's own version needs no look.
        let recorded = request.version.flatMap {
            $0 == facts.version ? nil : registry.catalog?.identity(of: options.name, version: $0)
        }
        let system = request.evidence?.systemIdentifier ?? recorded?.systemIdentifier
        if let system, system != facts.systemIdentifier {
            return "\(options.name) is now another server (system identifier "
                + "\(facts.systemIdentifier)) than the one with the branch (\(system))"
        }
        if let recorded, recorded.database != facts.database {
            return "\(options.name) is now database \"\(facts.database)\", and the branch is in "
                + "\"\(recorded.database)\""
        }
        return nil
    }

    /// Why what the server holds under the name is not the branch; nil if it may be.
    ///
    /// It is not final: the configuration may lead back to the right role.
    func ownerObstacle(
        to request: FinishRequest, on connection: PostgresConnection
    ) async throws -> String? {
        let facts = try factsIfOpen(of: connection)
        guard let found = try await owners(at: facts.server).owner(of: request.gid, on: connection)
        else { return nil }
        guard found.role == request.evidence?.owner ?? facts.user, found.database == facts.database
        else {
            let verb = request.decision == .commit ? "COMMIT" : "ROLLBACK"
            return "role \"\(found.role)\" owns the prepared transaction of that name, in database "
                + "\"\(found.database)\", so it is not ours to end: as that role or a superuser, there, "
                + "run \(verb) PREPARED \(request.gid.quotedLiteral)"
        }
        return nil
    }

    /// Finds out how a branch was finished whose gid is not there.
    ///
    /// The missing gid alone proves nothing. The transaction's status, asked on the same session, counts
    /// only on the very cluster and timeline that prepared the branch: on another the transaction id
    /// means something else.
    func judge(
        _ request: FinishRequest, on connection: PostgresConnection,
        within limit: Duration = .seconds(30)
    ) async throws -> FinishReport {
        let report = try await judgeByEvidence(request, on: connection, within: limit)
        // Without evidence the fence proves a rollback only if no operator has ended the branch.
        let isOpenToProof = report.reply == .unprovable || request.evidence == nil
        guard isOpenToProof, options.hasWitness else { return report }
        return try await Witness.isVisible(request.gid, on: connection)
            ? FinishReport(.provedCommitted) : report
    }

    /// Reads whether a branch of a commit has committed; ends nothing.
    ///
    /// Its transaction's status says so by itself, whether or not the gid is there. A caller waits for the
    /// answer, and the server may be reachable again: so a connection is attempted at once, before the
    /// pool's interval is over.
    func commitStatus(of request: FinishRequest) async -> FinishInquiry.Reading {
        let timeout = Duration.seconds(1)
        // A session may be lost unnoticed, which says nothing about the server, and the attempt under way
        // may have begun before the server was back: so there is a second try.
        for _ in 1...2 {
            do {
                return try await statusReaders.withConnection(timeout: timeout, isHasty: true) {
                    connection in
                    guard connection.session != nil else { throw PostgresError.closed }
                    let report = try await self.judge(request, on: connection, within: timeout)
                    return switch report.reply {
                    case .provedCommitted: .committed
                    case .tryAgain: .open
                    case .done, .provedRolledBack, .unprovable: .silent
                    }
                }
            } catch PostgresError.timedOut, PostgresError.poolExhausted {
                break
            } catch {
                continue
            }
        }
        return .silent
    }

    private func judgeByEvidence(
        _ request: FinishRequest, on connection: PostgresConnection, within limit: Duration
    ) async throws -> FinishReport {
        guard let evidence = request.evidence else {
            // Nothing shows that it was ever prepared, and the fence ended every session that could do it.
            return request.decision == .abort && request.fence != .none
                ? FinishReport(.provedRolledBack)
                : FinishReport(.unprovable, error: "no such gid, and no evidence was recorded")
        }
        let facts = try factsIfOpen(of: connection)
        guard facts.systemIdentifier == evidence.systemIdentifier,
            facts.timeline == evidence.timeline
        else {
            return FinishReport(
                .unprovable, error: "no such gid, and the server is not the one that prepared it")
        }
        return switch try await connection.commitStatus(of: evidence, timeout: limit) {
        case .committed: FinishReport(.provedCommitted)
        case .aborted: FinishReport(.provedRolledBack)
        case .inProgress: FinishReport(.tryAgain, error: "still in progress")
        case .onStandby: FinishReport(.tryAgain, error: "the server is a standby")
        case .tooOld:
            FinishReport(.unprovable, error: "no such gid, and its status is too old to tell")
        }
    }

    /// The prepared transactions of this server that bear this installation's name; counts the slots as well.
    func prepared() async throws -> [PreparedTransaction] {
        try await finishers.withConnection(timeout: options.connectTimeout) { connection in
            let facts = try self.factsIfOpen(of: connection)
            let held = self.slots.held
            var all: [ListedTransaction] = []
            try await self.serverSlots(of: facts).count {
                all = try await connection.rows(ListedTransaction.query, timeout: .seconds(30))
                return all.map(\.gid)
            }
            let prefix = "tandem:\(self.installation):"
            let listed = all.filter { $0.gid.utf8.starts(with: prefix.utf8) }
            let safe =
                self.registry.catalog?.safeTransactionID(
                    of: self.options.name, on: facts.systemIdentifier) ?? 0
            self.survey = PreparedSurvey(
                count: all.count,
                foreignCount: all.count - listed.count,
                oldestAgeSeconds: all.map(\.ageSeconds).max(),
                oldestXminAge: all.map(\.xminAge).max(), at: Int64(WallClock.seconds) * 1_000_000)
            // Another replica or an operator has ended those that are missing.
            self.slots.free(held.subtracting(listed.map(\.gid)))
            await self.hazards.readIfDue(on: connection, processID: facts.identity.processID)
            return listed.map { $0.transaction(of: facts, safeTransactionID: safe) }
        }
    }
}

/// A row of `pg_prepared_xacts`.
struct ListedTransaction: Sendable {
    let gid: String
    fileprivate let ageSeconds: Double
    /// How many transaction ids were given out since its own.
    fileprivate let xminAge: Int
    private let transactionID: UInt64
    private let owner: String
    private let database: String

    static let query = Query<ListedTransaction>(
        """
        SELECT gid, extract(epoch FROM clock_timestamp() - prepared)::double precision,
            transaction, pg_snapshot_xmax(pg_current_snapshot()), owner, database,
            age(transaction)
        FROM pg_prepared_xacts WHERE NOT pg_is_in_recovery()
        """
    ) { row in
        guard let gid = row.text(), let age: Double = row.value(), let id: UInt32 = row.value(),
            let next: UInt64 = row.value()
        else { return nil }
        // The role that prepared it may be gone by now; its slot is in use all the same.
        let (owner, database) = (row.text() ?? "", row.text() ?? "")
        let xminAge: Int = row.value() ?? 0
        return ListedTransaction(
            gid: gid, ageSeconds: age, xminAge: xminAge, transactionID: wholeID(id, below: next),
            owner: owner,
            database: database)
    }

    fileprivate func transaction(
        of facts: SessionFacts, safeTransactionID: UInt64
    ) -> PreparedTransaction {
        PreparedTransaction(
            found: RecoveryPlan.Found(name: gid, ageSeconds: ageSeconds),
            isFromBefore: transactionID < safeTransactionID,
            claim: .init(role: owner, database: database, seenBy: facts),
            owner: owner, database: database)
    }

    /// A transaction id with its epoch: the greatest one below `next` that ends in these 32 bits.
    static func wholeID(_ short: UInt32, below next: UInt64) -> UInt64 {
        let epoch = next >> 32
        let id = epoch << 32 | UInt64(short)
        return id < next || epoch == 0 ? id : id - (1 << 32)
    }
}
