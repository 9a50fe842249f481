import EventLoop
import Logging
import PostgresClient

/// Watches which server the state database is.
///
/// Another system identifier, or another timeline, means that it was promoted, restored or replaced,
/// and rows or decisions may be lost. Then nothing is aborted on the strength of what is *not* there:
/// neither gids without a row nor rows without a decision from before. An operator releases it.
@LoopActor
final class StateIdentity {
    private struct Server: Equatable {
        let systemIdentifier: String
        let timeline: Int64
    }

    private let options: StateOptions
    private let logger: Logger
    private var known: Server?
    /// Why nothing absent is believed; nil if there is no such reason.
    var quarantineReason: String?
    /// Changes whenever the server has: what was read from it before may not hold.
    private(set) var generation = 0

    init(options: StateOptions, logger: Logger) {
        self.options = options
        self.logger = logger
    }

    /// Compares the server of a new session with the one known; throws if it is a former primary.
    func check(_ connection: PostgresConnection) async throws {
        let row = try await connection.query(
            """
            SELECT system_identifier,
                ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
            FROM pg_control_system()
            """, timeout: options.timeout)
        guard let system = row.text(row: 0, column: 0),
            let timeline = row.text(row: 0, column: 1).flatMap(Int64.init)
        else { throw StateDatabaseError.unusable(reason: "it did not say who it is") }
        let found = Server(systemIdentifier: system, timeline: timeline)
        guard found != known else { return }
        if let known, known.systemIdentifier == system, timeline < known.timeline {
            throw StateDatabaseError.unusable(
                reason: "it is a former primary, on timeline \(timeline) of \(known.timeline)")
        }
        try await settle(found, connection)
        if known != nil { generation += 1 }
        known = found
    }

    /// Records the server.
    ///
    /// Unless it is the one recorded before, or a promotion that may be trusted,
    /// the quarantine begins: numbers up to now are from before, and those to come are far above
    /// them, since a rewound sequence would hand them out again.
    private func settle(_ found: Server, _ connection: PostgresConnection) async throws {
        let isTrusted = """
            (i.system_identifier IS NULL OR ($3::boolean AND i.system_identifier = $1
                AND i.timeline < $2::bigint))
            """
        let results = try await StateDatabase.write(
            [
                Command(
                    """
                    UPDATE tandem.installation AS i SET system_identifier = $1,
                        timeline = $2::bigint,
                        quarantine_number = CASE WHEN \(isTrusted) THEN i.quarantine_number
                            ELSE setval('tandem.transaction_numbers',
                                nextval('tandem.transaction_numbers') + 1000000) END,
                        quarantined_at = CASE WHEN \(isTrusted) THEN i.quarantined_at
                            ELSE now() END,
                        quarantine_reason = CASE WHEN \(isTrusted) THEN i.quarantine_reason
                            ELSE format('the state database was system %s on timeline %s, and is '
                                'system %s on timeline %s: rows and decisions may be lost',
                                i.system_identifier, i.timeline, $1, $2::bigint) END
                    WHERE i.system_identifier IS DISTINCT FROM $1
                        OR i.timeline IS DISTINCT FROM $2::bigint
                    RETURNING quarantine_reason
                    """,
                    [
                        found.systemIdentifier, "\(found.timeline)",
                        options.isSynchronouslyReplicated ? "t" : "f",
                    ]),
                Command("SELECT quarantine_reason FROM tandem.installation"),
            ], on: connection, timeout: options.timeout)
        note(results[1].text(row: 0, column: 0))
    }

    /// Takes the reason as the database has it now.
    func note(_ reason: String?) {
        if reason != quarantineReason {
            if let reason {
                logger.critical(
                    "quarantined: nothing absent is believed until an operator releases it",
                    metadata: ["reason": "\(reason)"])
            } else {
                logger.notice("the quarantine was released")
            }
        }
        quarantineReason = reason
    }
}
