package import PostgresClient

/// How an operator sees and ends the quarantine that follows a change of the state database's
/// server.
package enum Quarantine {
    static let reason = RowFormat { $0.text("quarantine_reason") }

    /// Why the installation is quarantined; nil if it is not.
    package static func reason(
        _ connection: PostgresConnection, timeout: Duration
    ) async throws -> String? {
        reason.first(
            of: try await connection.query(
                "SELECT \(reason.columns) FROM tandem.installation", timeout: timeout))
    }

    /// Ends the quarantine, and records by whom and why; false if there was none.
    ///
    /// From then on undecided rows and gids without a row are aborted again.
    package static func release(
        _ connection: PostgresConnection, actor: String, reason: String, timeout: Duration
    ) async throws -> Bool {
        let released = try await StateDatabase.write(
            [
                Command(
                    """
                    WITH held AS (SELECT quarantine_reason AS why FROM tandem.installation
                            WHERE quarantined_below > 0 FOR UPDATE),
                        released AS (UPDATE tandem.installation SET quarantined_below = 0,
                            quarantine_reason = NULL FROM held RETURNING held.why)
                    INSERT INTO tandem.resolutions (action, actor, reason, found, replica)
                    SELECT 'release', $1, $2, why, '' FROM released RETURNING 1
                    """, [actor, reason])
            ], on: connection, timeout: timeout)
        return released[0].rowCount == 1
    }
}
