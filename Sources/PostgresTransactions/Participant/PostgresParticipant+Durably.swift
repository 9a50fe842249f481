import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// Writes of one's own, which say that what was seen before them is as durable as they are.
extension PostgresParticipant {
    /// How such a write ended.
    enum Written {
        /// It is committed, and nothing warned that a standby has not confirmed it.
        case durable(CommandResult)
        /// The server refused it.
        case refused(ServerMessage)
        /// It is committed here, and perhaps not where it has to be; or nobody knows.
        case unconfirmed
    }

    /// Runs one writing command as a transaction by itself.
    func durably(
        _ command: Command, on connection: PostgresConnection, within limit: Duration = .seconds(60)
    ) async throws -> Written {
        let replies = try await connection.execute(
            [[Command("BEGIN"), command, Command("COMMIT")]], timeout: limit)[0]
        for case .failed(let message) in replies {
            guard connection.isOpen else { return .unconfirmed }
            if connection.isInTransaction {
                _ = try await connection.execute([[Command("ROLLBACK")]], timeout: .seconds(10))
            }
            return message.endsSession ? .unconfirmed : .refused(message)
        }
        guard replies.count == 3, case .completed(let result) = replies[1],
            case .completed(let commit) = replies[2], commit.tag == "COMMIT",
            !commit.isUnconfirmed
        else { return .unconfirmed }
        return .durable(result)
    }

    /// Whether all that was in the write-ahead log before is on disk now, and confirmed by the
    /// standbys that are to confirm.
    ///
    /// A transaction that wrote nothing commits without a flush, although it has an id; so a
    /// message is written.
    func writesThrough(
        on connection: PostgresConnection, within limit: Duration = .seconds(60)
    ) async throws -> Bool {
        let message = Command("SELECT pg_catalog.pg_logical_emit_message(true, 'tandem', '')")
        if case .durable = try await durably(message, on: connection, within: limit) { return true }
        return false
    }

    /// As above, on a finishing session.
    ///
    /// Calls that come while one is under way share the next: it only counts for what was in the
    /// log before it began.
    func writesThrough() async -> Bool {
        await flush { [self] in
            do {
                return try await finishers.withConnection(timeout: options.connectTimeout) {
                    connection in try await self.writesThrough(on: connection)
                }
            } catch {
                return false
            }
        }
    }

    /// The server on which such a write was through; nil if none was within a few seconds.
    ///
    /// It is asked for again until a standby confirms it, which may take hours. So a wait for one is cut
    /// short: a session that is closed instead would go on waiting there, and the next one beside it.
    func confirmedServer() async -> ServerTimeline? {
        await confirmation { [self] in
            do {
                return try await finishers.withConnection(timeout: options.connectTimeout) {
                    connection in
                    let server = try self.factsIfOpen(of: connection).server
                    var isCutShort = false
                    let timer = EventLoop.shared.schedule(after: .seconds(5)) {
                        isCutShort = true
                        Task { await connection.requestCancel() }
                    }
                    defer { timer.cancel() }
                    let isThrough = try await self.writesThrough(on: connection)
                    // The request may still be on its way to the session.
                    if isCutShort { connection.close() }
                    return isThrough ? server : nil
                }
            } catch {
                return nil
            }
        }
    }

    /// Whether a commit that was seen here is as durable as such a write; false after a second, in which
    /// the write goes on for whoever asks next.
    func hasConfirmed(_ order: FinishRequest) async -> Bool {
        guard let evidence = order.evidence else { return false }
        let server = ServerTimeline(
            systemIdentifier: evidence.systemIdentifier, timeline: evidence.timeline)
        return await withCheckedContinuation { continuation in
            var waiting: CheckedContinuation<Bool, Never>? = continuation
            func answer(_ isConfirmed: Bool) {
                waiting?.resume(returning: isConfirmed)
                waiting = nil
            }
            let timer = EventLoop.shared.schedule(after: .seconds(1)) { answer(false) }
            Task { @LoopActor in
                answer(await confirmedServer() == server)
                timer.cancel()
            }
        }
    }
}
