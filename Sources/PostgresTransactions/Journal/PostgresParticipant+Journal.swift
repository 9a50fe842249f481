import CommitProtocol
import Logging
import PostgresClient
import TransactionEngine

/// Where this participant is the register of a decision.
extension PostgresParticipant {
    /// Looks whether the journal is in order, and makes it if it is missing and the role may.
    ///
    /// Sessions are examined one by one as they are opened, so this is asked until it is so.
    func prepareJournal(on connection: PostgresConnection, role: String) async {
        guard options.journal, !journal.isReady else { return }
        do {
            if try await inspectJournal(on: connection) { return }
            try await JournalMaker.make(on: connection, role: role)
            if try await inspectJournal(on: connection) { return }
            logger.warning(
                "the journal is incomplete; its branches are prepared meanwhile",
                metadata: ["participant": "\(options.name)"])
        } catch {
            logger.warning(
                "there is no journal, and it could not be made; its branches are prepared meanwhile",
                metadata: ["participant": "\(options.name)", "error": "\(error)"])
        }
    }

    private func inspectJournal(on connection: PostgresConnection) async throws -> Bool {
        let standing = try await JournalMaker.inspect(on: connection)
        guard standing.isUsable else { return false }
        if !journal.isReady, standing.isOwned {
            logger.warning(
                "the journal belongs to tandem's own role, so callers' SQL could change decisions",
                metadata: ["participant": "\(options.name)"])
        }
        journal.markUsable()
        return true
    }

    /// Asks what the register here holds, behind the fence.
    func ask(_ order: CommitPointQuery) async -> CommitPointReport {
        guard circuit == .closed else {
            return CommitPointReport(.tryAgain, error: unreachable)
        }
        do {
            let obstacle = try await obstacle(of: order.fence)
            return try await finishers.withConnection(timeout: options.connectTimeout) {
                connection in
                // Before the obstacle: a session of the register's is never seen to be gone on another
                // server, which would be asked again for ever.
                guard try self.isServer(of: order.commitPoint, connection) else {
                    return CommitPointReport(Self.changedServer, whenNothing: "")
                }
                if let obstacle { return CommitPointReport(.tryAgain, error: obstacle) }
                switch order.commitPoint {
                case .transactionStatus(let evidence):
                    return CommitPointReport(
                        try await self.status(of: evidence, on: connection, within: .seconds(60)),
                        whenNothing: "still in progress")
                case .journal:
                    return try await self.decision(of: order.transaction, on: connection)
                }
            }
        } catch {
            return CommitPointReport(.tryAgain, error: "\(error)")
        }
    }

    /// Looks at what the register here holds; somebody waits for the answer, so that it is soon
    /// taken for silent.
    func look(_ order: CommitPointQuery) async -> CommitPointReading {
        guard circuit == .closed else {
            return .unknown(reason: unreachable)
        }
        do {
            return try await finishers.withConnection(timeout: options.connectTimeout) {
                connection in
                guard try self.isServer(of: order.commitPoint, connection) else {
                    return Self.changedServer
                }
                switch order.commitPoint {
                case .transactionStatus(let evidence):
                    return try await self.status(
                        of: evidence, on: connection, within: Self.patience)
                case .journal:
                    return try await self.claim(
                        order.transaction, on: connection, within: Self.patience)
                }
            }
        } catch {
            return .unknown(reason: "\(error)")
        }
    }

    private static let patience = Duration.seconds(5)

    private static let changedServer =
        CommitPointReading.unprovable(reason: "the server is not the one that decided")

    /// Whether a connection leads to the server that the register was on.
    private func isServer(
        of commitPoint: CommitPointQuery.Source, _ connection: PostgresConnection
    ) throws(PostgresError) -> Bool {
        let found = try factsIfOpen(of: connection).server
        let server: ServerTimeline? =
            switch commitPoint {
            case .transactionStatus(let evidence):
                evidence.map {
                    ServerTimeline(
                        systemIdentifier: $0.systemIdentifier, timeline: $0.timeline)
                }
            case .journal(let server): server
            }
        return server == found
    }

    /// What became of the one-phase branch's transaction id.
    ///
    /// The id was in the write-ahead log on disk before the row named it, so no crash can have given
    /// it to another.
    private func status(
        of evidence: PreparedEvidence?, on connection: PostgresConnection, within limit: Duration
    ) async throws -> CommitPointReading {
        guard let evidence else { return Self.changedServer }
        let row = try await connection.query(
            "SELECT pg_xact_status($1::xid8), pg_is_in_recovery()", ["\(evidence.transactionID)"],
            timeout: min(limit, .seconds(30)))
        guard row.text(row: 0, column: 1) == "f" else {
            return .unknown(reason: "the server is a standby")
        }
        switch row.text(row: 0, column: 0) {
        case "committed":
            // It may have come back with a warning, or its owner may still have waited for a
            // standby: what is seen is believed when a later write of one's own is through.
            return try await writesThrough(on: connection, within: limit)
                ? .holds(.commit, evidence: [], results: nil)
                : .unknown(reason: "nothing confirms yet that the commit is durable")
        case "aborted": return .holds(.abort, evidence: [], results: nil)
        case "in progress": return .nothing
        default: return .unprovable(reason: "its status is too old to tell")
        }
    }

    /// What the journal holds; where it holds nothing, abort.
    private func decision(
        of transaction: GlobalTransactionID, on connection: PostgresConnection
    ) async throws -> CommitPointReport {
        let tombstone = JournalEntry(transaction: transaction, evidence: [], results: nil)
        let written = try await durably(
            Journal.decide(.abort, tombstone, installation: installation), on: connection)
        switch written {
        case .durable:
            return CommitPointReport(.decided(.abort))
        case .refused(let message) where message.state == .uniqueViolation:
            return CommitPointReport(
                try await claim(transaction, on: connection, within: .seconds(60)),
                whenNothing: "the decision went while it was read")
        case .refused(let message):
            return CommitPointReport(.tryAgain, error: message.message)
        case .unconfirmed:
            return CommitPointReport(
                .tryAgain, error: "nothing confirms yet that the abort is durable")
        }
    }

    private func claim(
        _ transaction: GlobalTransactionID, on connection: PostgresConnection,
        within limit: Duration
    ) async throws -> CommitPointReading {
        let written = try await durably(
            Journal.claim(transaction, installation: installation), on: connection, within: limit)
        switch written {
        case .durable(let row):
            guard row.rowCount == 1,
                let decision = row.text(row: 0, column: 0).flatMap(Decision.init(rawValue:))
            else { return .nothing }
            let evidence = row.text(row: 0, column: 1).flatMap(ArrayLiteral.read) ?? []
            return .holds(
                decision, evidence: evidence.map { $0.flatMap(RowCoding.evidence(of:)) },
                results: row.text(row: 0, column: 2).map { Array($0.utf8) })
        case .refused(let message):
            return .unknown(reason: message.message)
        case .unconfirmed:
            return .unknown(reason: "nothing confirms yet that the decision is durable")
        }
    }
}
