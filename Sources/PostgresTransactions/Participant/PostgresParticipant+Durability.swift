import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// Writes of our own: once one is durable, so is everything read before it.
extension PostgresParticipant {
    /// How such a write ended.
    enum Written {
        /// It is committed, and no warning says that a standby has not confirmed it.
        case durable(CommandResult)
        /// The server refused it.
        case refused(ServerMessage)
        /// It is committed here, and perhaps not on the standbys; or the outcome is unknown.
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

    /// Whether everything that was in the write-ahead log before is on disk now, and confirmed by the
    /// standbys that have to confirm it.
    ///
    /// A transaction that wrote nothing commits without a flush, even if it has an id; so this one writes
    /// a message.
    func writesThrough(
        on connection: PostgresConnection, within limit: Duration = .seconds(60)
    ) async throws -> Bool {
        let message = Command("SELECT pg_catalog.pg_logical_emit_message(true, 'tandem', '')")
        if case .durable = try await durably(message, on: connection, within: limit) { return true }
        return false
    }

    /// The same on a finishing session.
    ///
    /// Calls that come while a write is under way share the next one: a write only counts for what was in
    /// the log before it began.
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

    /// The server on which such a write became durable; nil if none did within a few seconds.
    ///
    /// Callers ask again until a standby confirms it, which may take hours. So the wait is cancelled, and
    /// the session not just closed: its backend would go on waiting, and so would that of every later try.
    func confirmedServer() async -> ServerTimeline? {
        await confirmation { [self] in
            do {
                return try await finishers.withConnection(timeout: options.connectTimeout) {
                    connection in
                    let server = try self.factsIfOpen(of: connection).server
                    var wasCancelled = false
                    let timer = self.loop.schedule(after: .seconds(5)) {
                        wasCancelled = true
                        Task { await connection.requestCancel() }
                    }
                    defer { timer.cancel() }
                    let isDurable = try await self.writesThrough(on: connection)
                    // The request may still be on its way to the session.
                    if wasCancelled { connection.close() }
                    return isDurable ? server : nil
                }
            } catch {
                return nil
            }
        }
    }

    /// Whether a commit that was read here is as durable as such a write; false after a second, though
    /// the write goes on for the next caller.
    func isCommitReplicated(_ order: FinishRequest) async -> Bool {
        guard let evidence = order.evidence else { return false }
        let server = ServerTimeline(
            systemIdentifier: evidence.systemIdentifier, timeline: evidence.timeline)
        return await withCheckedContinuation { continuation in
            var waiting: CheckedContinuation<Bool, Never>? = continuation
            func answer(_ isConfirmed: Bool) {
                waiting?.resume(returning: isConfirmed)
                waiting = nil
            }
            let timer = loop.schedule(after: .seconds(1)) { answer(false) }
            Task { @LoopActor in
                answer(await confirmedServer() == server)
                timer.cancel()
            }
        }
    }
}
