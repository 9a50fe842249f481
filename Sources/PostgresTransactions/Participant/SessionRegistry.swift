import EventLoop
import PostgresClient
import TransactionEngine

/// What a session found out about its server when it was opened.
struct SessionFacts: Sendable {
    let identity: SessionIdentity
    let user: String
    let systemIdentifier: String
    let timeline: UInt32
    let slotLimit: Int
}

/// A reason for which a session may not be used.
enum SessionRefusal: Error, CustomStringConvertible {
    case isStandby
    case fsyncOff
    case superseded
    case unreadable

    var description: String {
        switch self {
        case .isStandby: "the server is a standby"
        case .fsyncOff: "the server runs with fsync = off"
        case .superseded: "this replica was superseded"
        case .unreadable: "the server did not say who it is"
        }
    }
}

/// Sessions to participants are recorded in the state database before they are used, by a statement
/// that locks and checks the epoch.
///
/// Only so can a later life of this replica, or another replica, know which backends might still
/// prepare something, and end them.
///
/// Without a state database there is no later life that could take anything over, and nothing is
/// recorded: a lost session is ended by the life that had it.
@LoopActor
final class SessionRegistry {
    private let state: StateDatabase?
    private let allowsFsyncOff: Bool

    init(state: StateDatabase) {
        self.state = state
        allowsFsyncOff = state.options.allowsFsyncOff
    }

    /// Makes a registry that records nothing.
    init(allowsFsyncOff: Bool) {
        state = nil
        self.allowsFsyncOff = allowsFsyncOff
    }

    /// Examines a new session and records it.
    func admit(
        _ connection: PostgresConnection, of participant: String, timeout: Duration
    ) async throws -> SessionFacts {
        let row = try await connection.query(
            """
            SELECT pg_backend_pid(),
                (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint
                    FROM pg_stat_activity WHERE pid = pg_backend_pid()),
                current_user, (SELECT system_identifier FROM pg_control_system()),
                CASE WHEN pg_is_in_recovery() THEN NULL
                    ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END,
                current_setting('max_prepared_transactions'), current_setting('fsync')
            """, timeout: timeout)
        func text(_ column: Int) -> String? { row.text(row: 0, column: column) }
        guard let timeline = text(4) else { throw SessionRefusal.isStandby }
        guard allowsFsyncOff || text(6) == "on" else {
            throw SessionRefusal.fsyncOff
        }
        guard let processID = text(0).flatMap(Int32.init), let startedAt = text(1),
            let user = text(2), let systemIdentifier = text(3),
            let timeline = UInt32(timeline, radix: 16), let slotLimit = text(5).flatMap(Int.init)
        else { throw SessionRefusal.unreadable }
        let facts = SessionFacts(
            identity: SessionIdentity(processID: processID, startedAt: startedAt), user: user,
            systemIdentifier: systemIdentifier, timeline: timeline, slotLimit: slotLimit)
        try await record(facts.identity, of: participant)
        return facts
    }

    private func record(_ session: SessionIdentity, of participant: String) async throws {
        guard let state else { return }
        let recorded = try await state.read(
            """
            WITH life AS (SELECT FROM tandem.replicas WHERE name = $4 AND epoch = $5::bigint
                FOR SHARE)
            INSERT INTO tandem.sessions (participant, process_id, backend_start, replica, epoch)
            SELECT $1, $2::integer, $3, $4, $5::bigint FROM life RETURNING 1
            """,
            [
                participant, "\(session.processID)", session.startedAt, state.replica,
                "\(state.epoch)",
            ])
        guard recorded.rowCount == 1 else {
            state.superseded()
            throw SessionRefusal.superseded
        }
    }

    /// The sessions of lives that are over: this replica's earlier ones, and those of replicas
    /// whose lease has run out.
    func formerSessions(of participant: String) async throws -> [SessionIdentity] {
        guard let state else { return [] }
        let rows = try await state.read(
            """
            SELECT s.process_id, s.backend_start FROM tandem.sessions AS s
            WHERE s.participant = $1 AND NOT EXISTS (
                SELECT FROM tandem.replicas AS r WHERE r.name = s.replica AND r.epoch = s.epoch
                    AND (r.name = $2 OR r.heartbeat_at > now() - $3 * interval '1 second'))
            """,
            [participant, state.replica, "\(state.options.lease.components.seconds)"])
        return (0..<rows.rowCount).compactMap { row in
            guard let processID = rows.text(row: row, column: 0).flatMap(Int32.init),
                let startedAt = rows.text(row: row, column: 1)
            else { return nil }
            return SessionIdentity(processID: processID, startedAt: startedAt)
        }
    }

    /// Forgets sessions that are proved gone.
    func forget(_ sessions: [SessionIdentity], of participant: String) async throws {
        guard let state, !sessions.isEmpty else { return }
        _ = try await state.read(
            """
            DELETE FROM tandem.sessions AS s
            USING unnest($2::integer[], $3::text[]) AS x(process_id, backend_start)
            WHERE s.participant = $1 AND s.process_id = x.process_id
                AND s.backend_start = x.backend_start
            """,
            [
                participant, ArrayLiteral.write(sessions.map { "\($0.processID)" }),
                ArrayLiteral.write(sessions.map(\.startedAt)),
            ])
    }
}
