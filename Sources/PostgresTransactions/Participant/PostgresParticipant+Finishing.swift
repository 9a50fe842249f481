import CommitProtocol
import PostgresClient
import TransactionEngine

extension PostgresParticipant {
    /// Ends a prepared branch, or says what stands in the way.
    func end(_ order: FinishRequest) async -> FinishReport {
        // Nobody queues for a server that is known not to be there; see `circuit`.
        guard circuit == .closed else {
            return FinishReport(.tryAgain, error: unreachable)
        }
        do {
            if let obstacle = try await obstacle(of: order.fence) {
                return FinishReport(.tryAgain, error: obstacle)
            }
            let (found, server) = try await sharedFinishers.withConnection(
                timeout: options.connectTimeout
            ) { connection in
                (try await self.end(order, on: connection), self.facts(of: connection)?.server)
            }
            let report = await confirmed(found, at: server)
            if report.reply != .tryAgain { slots.free(order.gid) }
            return report
        } catch {
            // A lost connection proves nothing about what it had been sent: ask again.
            return FinishReport(.tryAgain, error: "\(error)")
        }
    }

    /// That it cannot be reached, and why.
    var unreachable: String {
        let reason = finishers.lastFailure.map { "\($0.error)" } ?? "no connection"
        return "\(options.name) cannot be reached: \(reason)"
    }

    /// Believes an end that was only seen, or whose wait for a standby was cut short, when a later write
    /// is through: a standby that had not heard of it, and was promoted, would hold the branch again,
    /// although its transaction is finished.
    private func confirmed(_ report: FinishReport, at server: ServerTimeline?) async -> FinishReport
    {
        guard report.reply == .provedCommitted else { return report }
        let confirmed = await confirmedServer()
        return confirmed != nil && confirmed == server
            ? report : FinishReport(.tryAgain, error: "no standby has confirmed its commit yet")
    }

    /// Passes the fence, or says which sessions are still there.
    func obstacle(of fence: Fence) async throws -> String? {
        switch fence {
        case .none: nil
        case .session(let session):
            try await end(session) ? nil : "its session is not proved gone"
        case .formerIncarnations:
            await fenceFormerIncarnations() ? nil : "a former life's session is not proved gone"
        }
    }

    private func end(
        _ order: FinishRequest, on connection: PostgresConnection
    ) async throws -> FinishReport {
        if let obstacle = try await obstacle(to: order, on: connection) {
            return FinishReport(.tryAgain, error: obstacle)
        }
        let verb = order.decision == .commit ? "COMMIT PREPARED" : "ROLLBACK PREPARED"
        let replies = try await connection.execute(
            [[Command("\(verb) \(order.gid.quotedLiteral)", cached: false)]], timeout: .seconds(60))
        switch replies[0][0] {
        case .completed(let result) where result.tag == verb:
            // A cut-short wait for a standby is a success with a warning; see `confirmed`.
            guard result.notices.contains(where: { $0.severity == "WARNING" }) else {
                return FinishReport(.done)
            }
            return FinishReport(order.decision == .commit ? .provedCommitted : .done)
        case .completed(let result):
            return FinishReport(.tryAgain, error: "unexpected answer \(result.tag)")
        case .failed(let message) where message.state == .undefinedObject:
            return try await judge(order, on: connection)
        case .failed(let message) where message.state == .insufficientPrivilege:
            let owner = order.evidence.map { "role \"\($0.owner)\"" } ?? "the role that prepared it"
            return FinishReport(
                .tryAgain,
                error: "\(message.message): as \(owner) or a superuser, in database "
                    + "\"\(facts(of: connection)?.database ?? "")\", run \(verb) "
                    + order.gid.quotedLiteral)
        case .failed(let message):
            return FinishReport(.tryAgain, error: message.message)
        case .exceeded, .skipped:
            return FinishReport(.tryAgain, error: "skipped")
        }
    }

    /// Why this server, or what it holds under the name, is not the branch's; nil if it may be.
    ///
    /// Neither is an end: the configuration may lead back to the right server.
    private func obstacle(
        to order: FinishRequest, on connection: PostgresConnection
    ) async throws -> String? {
        guard let facts = facts(of: connection) else { return "the session was just lost" }
        let recorded = order.version.flatMap {
            registry.catalog?.identity(of: options.name, version: $0)
        }
        let system = order.evidence?.systemIdentifier ?? recorded?.systemIdentifier
        if let system, system != facts.systemIdentifier {
            return "\(options.name) is now another server (system identifier "
                + "\(facts.systemIdentifier)) than the one with the branch (\(system))"
        }
        if let recorded, recorded.database != facts.database {
            return "\(options.name) is now database \"\(facts.database)\", and the branch is in "
                + "\"\(recorded.database)\""
        }
        guard order.checksOwner else { return nil }
        guard let found = try await owners(at: facts.server).owner(of: order.gid, on: connection)
        else { return nil }
        guard found.role == order.evidence?.owner ?? facts.user, found.database == facts.database
        else {
            let verb = order.decision == .commit ? "COMMIT" : "ROLLBACK"
            return "role \"\(found.role)\" owns the prepared transaction of that name, in database "
                + "\"\(found.database)\", so it is not ours to end: as that role or a superuser, there, "
                + "run \(verb) PREPARED \(order.gid.quotedLiteral)"
        }
        return nil
    }

    /// There is no such gid.
    ///
    /// That alone proves nothing: on the same session, the transaction's status is asked for, and
    /// is believed only if this is the very cluster and timeline that prepared it (a transaction id
    /// means something else on another).
    private func judge(
        _ order: FinishRequest, on connection: PostgresConnection,
        within limit: Duration = .seconds(30)
    ) async throws -> FinishReport {
        let report = try await judgeByEvidence(order, on: connection, within: limit)
        // Without evidence the fence proves a rollback only if nobody has ended the branch by hand.
        let isOpenToProof = report.reply == .unprovable || order.evidence == nil
        guard isOpenToProof, options.hasWitness else { return report }
        return try await Witness.isSeen(order.gid, on: connection)
            ? FinishReport(.provedCommitted) : report
    }

    /// Looks whether a branch of a commit has committed.
    ///
    /// Its transaction's status says so by itself, whether or not the gid is there. Somebody waits for
    /// the answer; and where the server could not be reached others may know by now that it is back, so
    /// that an attempt to connect is made before its time.
    func look(at order: FinishRequest) async -> FinishInquiry.Reading {
        let patience = Duration.seconds(1)
        // A session may be lost without anybody's notice, which says nothing of the server, and the
        // attempt under way may have begun before the server was back: so a second one is made.
        for _ in 1...2 {
            do {
                return try await statusReaders.withConnection(timeout: patience, isHasty: true) {
                    connection in
                    guard self.facts(of: connection) != nil else { throw PostgresError.closed }
                    let report = try await self.judge(order, on: connection, within: patience)
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
        _ order: FinishRequest, on connection: PostgresConnection, within limit: Duration
    ) async throws -> FinishReport {
        guard let evidence = order.evidence else {
            // Never prepared to anybody's knowledge, and the fence left nobody who could do it.
            return order.decision == .abort && order.fence != .none
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
        let row = try await connection.query(
            "SELECT pg_xact_status($1::xid8), pg_is_in_recovery()", ["\(evidence.transactionID)"],
            timeout: limit)
        guard row.text(row: 0, column: 1) == "f" else {
            return FinishReport(.tryAgain, error: "the server is a standby")
        }
        switch row.text(row: 0, column: 0) {
        case "committed": return FinishReport(.provedCommitted)
        case "aborted": return FinishReport(.provedRolledBack)
        case "in progress": return FinishReport(.tryAgain, error: "still in progress")
        default:
            return FinishReport(
                .unprovable, error: "no such gid, and its status is too old to tell")
        }
    }

    /// The prepared transactions of this server that bear this installation's name.
    func prepared() async throws -> [PreparedTransaction] {
        try await finishers.withConnection(timeout: options.connectTimeout) { connection in
            let facts = try self.factsIfOpen(of: connection)
            let held = self.slots.held
            let rows = try await connection.query(
                """
                SELECT gid, extract(epoch FROM clock_timestamp() - prepared)::double precision,
                    transaction, pg_snapshot_xmax(pg_current_snapshot()), owner, database
                FROM pg_prepared_xacts WHERE gid LIKE $1 AND NOT pg_is_in_recovery()
                """, ["tandem:\(self.installation):%"], timeout: .seconds(30))
            let safe =
                self.registry.catalog?.safeTransactionID(
                    of: self.options.name, on: facts.systemIdentifier) ?? 0
            let gids = (0..<rows.rowCount).compactMap { rows.text(row: $0, column: 0) }
            // Somebody else ended them: another replica, or a person.
            self.slots.free(held.subtracting(gids))
            return (0..<rows.rowCount).compactMap { Self.entry(rows, $0, facts, safe) }
        }
    }

    private static func entry(
        _ rows: CommandResult, _ row: Int, _ facts: SessionFacts, _ safe: UInt64
    ) -> PreparedTransaction? {
        guard let gid = rows.text(row: row, column: 0),
            let age = rows.text(row: row, column: 1).flatMap(Double.init),
            let short = rows.text(row: row, column: 2).flatMap(UInt32.init),
            let next = rows.text(row: row, column: 3).flatMap(UInt64.init),
            let owner = rows.text(row: row, column: 4),
            let database = rows.text(row: row, column: 5)
        else { return nil }
        let isHere = database == facts.database
        return PreparedTransaction(
            found: RecoveryPlan.Found(name: gid, ageSeconds: age),
            isFromBefore: wholeID(short, below: next) < safe,
            claim: !isHere ? .otherDatabase : owner == facts.user ? .ours : .otherRole,
            owner: owner, database: database)
    }

    /// A transaction id with its epoch, as the latest one below `next` that ends in those 32 bits.
    static func wholeID(_ short: UInt32, below next: UInt64) -> UInt64 {
        let epoch = next >> 32
        let id = epoch << 32 | UInt64(short)
        return id < next || epoch == 0 ? id : id - (1 << 32)
    }
}
