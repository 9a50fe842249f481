import EventLoop
import Logging
import PostgresClient

/// Watches which server the state database is.
///
/// Another system identifier, or another timeline, means that the server was promoted, restored or
/// replaced, and that rows or decisions may be lost. In this quarantine nothing is aborted because
/// something is absent: neither gids without a row, nor rows from before without a decision. An
/// operator releases the quarantine.
@LoopActor
final class StateIdentity {
    private struct Server: Equatable {
        let systemIdentifier: String
        let timeline: Int64
    }

    private static let server = RowFormat { row -> Server? in
        let system = row.text("system_identifier")
        let timeline = row.value(
            "('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint",
            as: Int64.self)
        guard let system, let timeline else { return nil }
        return Server(systemIdentifier: system, timeline: timeline)
    }

    private let options: StateOptions
    private let logger: Logger
    private var known: Server?
    /// Why the installation is quarantined; nil if it is not.
    private(set) var quarantineReason: String?
    /// Changes whenever the server has changed: what was read from the former one may not hold.
    private(set) var generation = 0

    init(options: StateOptions, logger: Logger) {
        self.options = options
        self.logger = logger
    }

    /// Compares the server of a new session with the known one; throws if it is a former primary.
    func check(_ connection: PostgresConnection) async throws {
        let result = try await connection.query(
            "SELECT \(Self.server.columns) FROM pg_control_system()", timeout: options.timeout)
        guard let found = Self.server.first(of: result) else {
            throw StateDatabaseError.unusable(reason: "it returned no system identifier")
        }
        guard found != known else { return }
        if let known, known.systemIdentifier == found.systemIdentifier,
            found.timeline < known.timeline
        {
            throw StateDatabaseError.unusable(
                reason: "it is a former primary, on timeline \(found.timeline); "
                    + "the latest is \(known.timeline)")
        }
        try await record(found, on: connection)
        if known != nil { generation += 1 }
        known = found
    }

    /// Records the server.
    ///
    /// Quarantine begins unless this is the server recorded before, or a promotion that can be
    /// trusted: numbers up to now are from before. Numbers to come start far above them, since a
    /// rewound sequence would hand some out again.
    private func record(_ found: Server, on connection: PostgresConnection) async throws {
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
                        quarantined_below = CASE WHEN \(isTrusted) THEN i.quarantined_below
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
                    """,
                    [
                        found.systemIdentifier, "\(found.timeline)",
                        options.isSynchronouslyReplicated ? "t" : "f",
                    ]),
                Command("SELECT \(Quarantine.reason.columns) FROM tandem.installation"),
            ], on: connection, timeout: options.timeout)
        note(Quarantine.reason.first(of: results[1]))
    }

    /// Takes over the reason for quarantine that the database has now.
    func note(_ reason: String?) {
        if reason != quarantineReason {
            if let reason {
                logger.critical(
                    "quarantined: nothing is aborted for lack of a row or of a decision",
                    metadata: ["reason": "\(reason)"])
            } else {
                logger.notice("the quarantine was released")
            }
        }
        quarantineReason = reason
    }
}
