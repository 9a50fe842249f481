import CommitProtocol
import PostgresClient
import TransactionEngine

extension PostgresParticipant {
    /// Ends a prepared branch, or says what stands in the way.
    func end(_ order: EndOrder) async -> EndReport {
        do {
            switch order.fence {
            case .none: break
            case .session(let session):
                guard try await end([session]) else {
                    return EndReport(.tryAgain, error: "its session is still running")
                }
            case .formerLives:
                guard await fenceFormerLives() else {
                    return EndReport(.tryAgain, error: "a former life's session is still running")
                }
            }
            let report = try await finishers.withConnection(timeout: options.connectTimeout) {
                connection in try await self.end(order, on: connection)
            }
            if report.reply != .tryAgain { slotHolders.remove(order.gid) }
            return report
        } catch {
            // A lost connection proves nothing about what it had been sent: ask again.
            return EndReport(.tryAgain, error: "\(error)")
        }
    }

    private func end(
        _ order: EndOrder, on connection: PostgresConnection
    ) async throws -> EndReport {
        let verb = order.decision == .commit ? "COMMIT PREPARED" : "ROLLBACK PREPARED"
        let gid = order.gid.replacing("'", with: "''")
        let replies = try await connection.execute(
            [[Command("\(verb) '\(gid)'", cached: false)]], timeout: .seconds(60))
        switch replies[0][0] {
        case .completed(let result) where result.tag == verb:
            return EndReport(.done)
        case .completed(let result):
            return EndReport(.tryAgain, error: "unexpected answer \(result.tag)")
        case .failed(let message) where message.state == .undefinedObject:
            return try await judge(order, on: connection)
        case .failed(let message):
            return EndReport(.tryAgain, error: message.message)
        case .exceeded, .skipped:
            return EndReport(.tryAgain, error: "skipped")
        }
    }

    /// There is no such gid.
    ///
    /// That alone proves nothing: on the same session, the transaction's status is asked for, and
    /// is believed only if this is the very cluster and timeline that prepared it (a transaction id
    /// means something else on another).
    private func judge(
        _ order: EndOrder, on connection: PostgresConnection
    ) async throws -> EndReport {
        guard let evidence = order.evidence else {
            // Never prepared to anybody's knowledge, and the fence left nobody who could do it.
            return order.decision == .abort && order.fence != .none
                ? EndReport(.provedRolledBack)
                : EndReport(.unprovable, error: "no such gid, and no evidence was recorded")
        }
        guard let facts = facts(of: connection),
            facts.systemIdentifier == evidence.systemIdentifier,
            facts.timeline == evidence.timeline
        else {
            return EndReport(
                .unprovable, error: "no such gid, and the server is not the one that prepared it")
        }
        let row = try await connection.query(
            "SELECT pg_xact_status($1::xid8), pg_is_in_recovery()", ["\(evidence.transactionID)"])
        guard row.text(row: 0, column: 1) == "f" else {
            return EndReport(.tryAgain, error: "the server is a standby")
        }
        switch row.text(row: 0, column: 0) {
        case "committed": return EndReport(.provedCommitted)
        case "aborted": return EndReport(.provedRolledBack)
        case "in progress": return EndReport(.tryAgain, error: "still in progress")
        default:
            return EndReport(.unprovable, error: "no such gid, and its status is too old to tell")
        }
    }

    /// This installation's prepared transactions here.
    func prepared() async throws -> [RecoveryPlan.Found] {
        let rows = try await finishers.withConnection(timeout: options.connectTimeout) {
            connection in
            try await connection.query(
                """
                SELECT gid, extract(epoch FROM clock_timestamp() - prepared)::double precision
                FROM pg_prepared_xacts WHERE database = current_database() AND gid LIKE $1
                    AND owner = current_user
                """, ["tandem:\(self.installation):%"], timeout: .seconds(30))
        }
        return (0..<rows.rowCount).compactMap { row in
            guard let gid = rows.text(row: row, column: 0),
                let age = rows.text(row: row, column: 1).flatMap(Double.init)
            else { return nil }
            return RecoveryPlan.Found(name: gid, ageSeconds: age)
        }
    }
}
