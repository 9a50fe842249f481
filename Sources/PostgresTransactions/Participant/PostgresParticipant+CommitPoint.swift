import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import TransactionEngine

/// The commit points that this participant holds.
extension PostgresParticipant {
    /// Checks whether the journal is usable, and creates it if it is missing and the role may.
    ///
    /// Each new session checks again until the journal is usable.
    func prepareJournal(on connection: PostgresConnection, role: String) async {
        guard options.journal, !hasUsableJournal.withLock({ $0 }) else { return }
        do {
            if try await checkJournal(on: connection) { return }
            try await Journal.create(on: connection, role: role)
            if try await checkJournal(on: connection) { return }
            logger.warning(
                "the journal is incomplete; until it is usable, branches here are prepared",
                metadata: ["participant": "\(options.name)"])
        } catch {
            logger.warning(
                "the journal is missing and could not be created; branches here are prepared",
                metadata: ["participant": "\(options.name)", "error": "\(error)"])
        }
    }

    private func checkJournal(on connection: PostgresConnection) async throws -> Bool {
        let condition = try await Journal.condition(on: connection)
        guard condition.isUsable else { return false }
        let wasUsable = hasUsableJournal.withLock { isUsable in
            defer { isUsable = true }
            return isUsable
        }
        if !wasUsable, condition.isOwned {
            logger.warning(
                "the journal belongs to tandem's own role, so callers' SQL could change decisions",
                metadata: ["participant": "\(options.name)"])
        }
        return true
    }

    /// Asks the commit point here for its decision, after passing the fence.
    func queryCommitPoint(_ query: CommitPointQuery) async -> CommitPointReport {
        guard circuit == .closed else {
            return CommitPointReport(.tryAgain, error: unreachable)
        }
        do {
            let obstacle = try await obstacle(of: query.fence)
            return try await finishers.withConnection(timeout: options.connectTimeout) {
                connection in
                // The server is checked before the obstacle: on another server the commit point's
                // session is never proved gone, and the fence would be tried for ever.
                guard try self.isServer(of: query.commitPoint, connection) else {
                    return CommitPointReport(Self.changedServer, whenNothing: "")
                }
                if let obstacle { return CommitPointReport(.tryAgain, error: obstacle) }
                switch query.commitPoint {
                case .transactionStatus(let evidence):
                    return CommitPointReport(
                        try await self.status(of: evidence, on: connection, within: .seconds(60)),
                        whenNothing: "still in progress")
                case .journal:
                    return try await self.decision(of: query.transaction, on: connection)
                }
            }
        } catch {
            return CommitPointReport(.tryAgain, error: "\(error)")
        }
    }

    /// Reads what the commit point here holds, for a caller who waits, and so within a few seconds.
    func readCommitPoint(_ query: CommitPointQuery) async -> CommitPointReading {
        guard circuit == .closed else {
            return .unknown(reason: unreachable)
        }
        do {
            return try await finishers.withConnection(timeout: options.connectTimeout) {
                connection in
                guard try self.isServer(of: query.commitPoint, connection) else {
                    return Self.changedServer
                }
                switch query.commitPoint {
                case .transactionStatus(let evidence):
                    return try await self.status(
                        of: evidence, on: connection, within: Self.patience)
                case .journal:
                    return try await self.confirmedEntry(
                        query.transaction, on: connection, within: Self.patience)
                }
            }
        } catch {
            return .unknown(reason: "\(error)")
        }
    }

    private static let patience = Duration.seconds(5)

    private static let changedServer =
        CommitPointReading.unprovable(reason: "the server is not the one that decided")

    /// Whether a connection leads to the server that has the commit point.
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

    /// What became of the one-phase branch, by its transaction id.
    ///
    /// The id was in the write-ahead log on disk before the row named it, so no crash can have given it
    /// to another transaction.
    private func status(
        of evidence: PreparedEvidence?, on connection: PostgresConnection, within limit: Duration
    ) async throws -> CommitPointReading {
        guard let evidence else { return Self.changedServer }
        switch try await connection.commitStatus(
            of: evidence, timeout: min(limit, .seconds(30)))
        {
        case .onStandby: return .unknown(reason: "the server is a standby")
        case .committed:
            // COMMIT may have come back with a warning, or may still wait for a standby: the commit
            // counts once a later write of our own is durable.
            return try await writesThrough(on: connection, within: limit)
                ? .holds(.commit, evidence: [], results: nil)
                : .unknown(reason: "nothing confirms yet that the commit is durable")
        case .aborted: return .holds(.abort, evidence: [], results: nil)
        case .inProgress: return .nothing
        case .tooOld: return .unprovable(reason: "its status is too old to tell")
        }
    }

    /// The journal's decision; abort, which this writes, if it holds none.
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
                try await confirmedEntry(transaction, on: connection, within: .seconds(60)),
                whenNothing: "the decision was removed while it was read")
        case .refused(let message):
            return CommitPointReport(.tryAgain, error: message.message)
        case .unconfirmed:
            return CommitPointReport(
                .tryAgain, error: "nothing confirms yet that the abort is durable")
        }
    }

    /// Reads the journal's entry by a write that leaves it as it is, so that the answer is durable; it takes
    /// nothing over.
    private func confirmedEntry(
        _ transaction: GlobalTransactionID, on connection: PostgresConnection,
        within limit: Duration
    ) async throws -> CommitPointReading {
        let written = try await durably(
            Journal.claim.command(Journal.key(of: transaction, installation)), on: connection,
            within: limit)
        switch written {
        case .durable(let result):
            return Journal.claim.row(of: result) ?? .nothing
        case .refused(let message):
            return .unknown(reason: message.message)
        case .unconfirmed:
            return .unknown(reason: "nothing confirms yet that the decision is durable")
        }
    }
}

/// What a server says of a transaction id that it once gave.
enum CommitStatus: Sendable {
    case committed
    case aborted
    case inProgress
    /// The server no longer knows.
    case tooOld
    /// The server is a standby, which may lag.
    case onStandby
}

extension PostgresConnection {
    private static let commitStatus = Query<CommitStatus>(
        "SELECT pg_is_in_recovery(), pg_xact_status($1::xid8)"
    ) { row in
        let isStandby = row.isTrue()
        let status = row.text()
        if isStandby { return .onStandby }
        return switch status {
        case "committed": .committed
        case "aborted": .aborted
        case "in progress": .inProgress
        default: .tooOld
        }
    }

    /// The status of the transaction that prepared, or was about to commit, on this very server.
    func commitStatus(
        of evidence: PreparedEvidence, timeout: Duration
    ) async throws(PostgresError) -> CommitStatus {
        try await row(Self.commitStatus, ["\(evidence.transactionID)"], timeout: timeout)
            ?? .inProgress
    }
}
