import EventLoop
import Logging
import PostgresClient
import TransactionEngine

/// What a session found out about its server when it was opened.
struct SessionFacts: Sendable {
    let identity: SessionIdentity
    /// The role that prepares; a role set by default is undone before PREPARE.
    let user: String
    let database: String
    let timeline: UInt32
    let slotLimit: Int
    /// Every transaction id handed out so far is below it.
    let nextTransactionID: UInt64
    /// What is set anew in the session before each transaction.
    var adjustments: [Command] = []
    /// The version of the participant; nil where none is recorded.
    var version: Int?

    var systemIdentifier: String { identity.systemIdentifier }

    var server: ServerTimeline {
        ServerTimeline(systemIdentifier: systemIdentifier, timeline: timeline)
    }
}

/// A reason for which a session may not be used.
enum SessionRefusal: Error, CustomStringConvertible {
    case isStandby
    case fsyncOff
    case superseded
    case unreadable
    case formerPrimary(timeline: UInt32, latest: UInt32)
    /// Something there is not as it has to be; the sentence says what.
    case unusable(String)
    case settingsMissing(names: String)
    case dataDoubtful(settings: String)

    var description: String {
        switch self {
        case .isStandby: "the server is a standby"
        case .fsyncOff: "the server runs with fsync = off"
        case .superseded: "this replica was superseded"
        case .unreadable: "the server did not say who it is"
        case .unusable(let reason): reason
        case .formerPrimary(let timeline, let latest):
            "the server is on timeline \(timeline), and the participant was seen on timeline "
                + "\(latest): it is a former primary"
        case .settingsMissing(let names):
            "the session has not the settings that tandem asks for when it connects (\(names)); a "
                + "pooler in between drops them: connect to the server itself, or have the pooler "
                + "pass \"options\" on"
        case .dataDoubtful(let settings):
            "the session has \(settings): data may be missing or wrong there without an error; "
                + "reset that for this role and database"
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
    private struct Entry {
        let participant: String
        let session: SessionIdentity
        let reply: CheckedContinuation<Result<Void, any Error>, Never>
    }

    private let state: StateDatabase?
    private let allowsFsyncOff: Bool
    /// Which versions the participants have; nil where nothing is recorded.
    let catalog: ParticipantCatalog?
    private var gathering: [Entry] = []
    private var isRecording = false

    init(state: StateDatabase, logger: Logger) {
        self.state = state
        allowsFsyncOff = state.options.allowsFsyncOff
        catalog = ParticipantCatalog(state: state, logger: logger)
    }

    /// Makes a registry that records nothing.
    init(allowsFsyncOff: Bool) {
        state = nil
        catalog = nil
        self.allowsFsyncOff = allowsFsyncOff
    }

    /// Examines a new session, learns which version of the participant it leads to, and records it.
    ///
    /// It is left with PostgreSQL's own search path.
    ///
    /// - Parameter settings: those that it was opened with.
    func admit(
        _ connection: PostgresConnection, of options: ParticipantOptions,
        set settings: SessionSettings
    ) async throws -> SessionFacts {
        var facts = try await examine(connection, settings, timeout: options.connectTimeout)
        facts.version = try await catalog?.version(of: options, facts)
        try await record(facts.identity, of: options.name)
        return facts
    }

    /// Records a session; those that gather meanwhile go together, for a replica opens many at
    /// once when it starts, and recovery waits for them.
    private func record(_ session: SessionIdentity, of participant: String) async throws {
        let result = await withCheckedContinuation { reply in
            gathering.append(Entry(participant: participant, session: session, reply: reply))
            guard !isRecording else { return }
            isRecording = true
            Task { await recordAll() }
        }
        try result.get()
    }

    private func recordAll() async {
        while !gathering.isEmpty {
            let batch = gathering
            gathering = []
            let result: Result<Void, any Error>
            do {
                try await record(batch)
                result = .success(())
            } catch {
                result = .failure(error)
            }
            for entry in batch { entry.reply.resume(returning: result) }
        }
        isRecording = false
    }

    /// By a statement that locks and checks the epoch, and durably: were the record visible and then
    /// lost, a later life would not know of the session.
    private func record(_ batch: [Entry]) async throws {
        guard let state else { return }
        let recorded = try await state.write(
            """
            WITH life AS (SELECT FROM tandem.replicas AS r WHERE name = $4 AND epoch = $5::bigint
                AND \(StateDatabase.isAlive) FOR SHARE)
            INSERT INTO tandem.sessions (participant, process_id, backend_start, replica, epoch,
                system_identifier)
            SELECT p, i, s, $4, $5::bigint, y FROM life,
                unnest($1::text[], $2::integer[], $3::text[], $6::text[]) AS x(p, i, s, y)
            RETURNING 1
            """,
            [
                ArrayLiteral.write(batch.map(\.participant)),
                ArrayLiteral.write(batch.map { "\($0.session.processID)" }),
                ArrayLiteral.write(batch.map(\.session.startedAt)),
                state.replica, "\(state.epoch)",
                ArrayLiteral.write(batch.map(\.session.systemIdentifier)),
            ])
        guard recorded.rowCount == batch.count else {
            state.superseded()
            throw SessionRefusal.superseded
        }
    }

    private func examine(
        _ connection: PostgresConnection, _ settings: SessionSettings, timeout: Duration
    ) async throws -> SessionFacts {
        let question = Command(
            """
            SELECT pg_backend_pid(),
                (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint
                    FROM pg_stat_activity WHERE pid = pg_backend_pid()),
                session_user, (SELECT system_identifier FROM pg_control_system()),
                CASE WHEN pg_is_in_recovery() THEN NULL
                    ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END,
                current_setting('max_prepared_transactions'), current_setting('fsync'),
                current_database(), pg_snapshot_xmax(pg_current_snapshot()),
                \(SessionAdmission.columns)
            """, SessionAdmission.parameters(settings))
        let row = try await connection.run(
            [SessionAdmission.ownSearchPath, question], timeout: timeout)
        let admission = try SessionAdmission(row, from: 9)
        func text(_ column: Int) -> String? { row.text(row: 0, column: column) }
        guard let timeline = text(4) else { throw SessionRefusal.isStandby }
        guard allowsFsyncOff || text(6) == "on" else {
            throw SessionRefusal.fsyncOff
        }
        guard let processID = text(0).flatMap(Int32.init), let startedAt = text(1),
            let user = text(2), let systemIdentifier = text(3),
            let timeline = UInt32(timeline, radix: 16), let slotLimit = text(5).flatMap(Int.init),
            let database = text(7), let next = text(8).flatMap(UInt64.init)
        else { throw SessionRefusal.unreadable }
        return SessionFacts(
            identity: SessionIdentity(
                processID: processID, startedAt: startedAt, systemIdentifier: systemIdentifier),
            user: user, database: database, timeline: timeline, slotLimit: slotLimit,
            nextTransactionID: next, adjustments: admission.adjustments)
    }

    /// The sessions of lives that are over: this replica's earlier ones, and others' that have
    /// ended or were ended; on this server, for a pid means nothing on another.
    func formerSessions(
        of participant: String, on systemIdentifier: String
    ) async throws -> [SessionIdentity] {
        guard let state else { return [] }
        let rows = try await state.read(
            """
            SELECT s.process_id, s.backend_start FROM tandem.sessions AS s
            WHERE s.participant = $1 AND s.system_identifier IN ('', $2) AND NOT EXISTS (
                SELECT FROM tandem.replicas AS r WHERE r.name = s.replica AND r.epoch = s.epoch
                    AND \(StateDatabase.isAlive))
            """, [participant, systemIdentifier])
        return Self.sessions(rows, on: systemIdentifier)
    }

    /// Recorded sessions of whatever life on this server, in the order of their key behind this one.
    func recorded(
        of participant: String, on systemIdentifier: String, after last: SessionIdentity?,
        limit: Int
    ) async throws -> [SessionIdentity] {
        guard let state else { return [] }
        let rows = try await state.read(
            """
            SELECT process_id, backend_start FROM tandem.sessions
            WHERE participant = $1 AND system_identifier = $2
                AND (process_id, backend_start) > ($3::integer, $4)
            ORDER BY process_id, backend_start LIMIT \(limit)
            """,
            [participant, systemIdentifier, "\(last?.processID ?? 0)", last?.startedAt ?? ""])
        return Self.sessions(rows, on: systemIdentifier)
    }

    private static func sessions(
        _ rows: CommandResult, on systemIdentifier: String
    ) -> [SessionIdentity] {
        (0..<rows.rowCount).compactMap { row in
            guard let processID = rows.text(row: row, column: 0).flatMap(Int32.init),
                let startedAt = rows.text(row: row, column: 1)
            else { return nil }
            return SessionIdentity(
                processID: processID, startedAt: startedAt, systemIdentifier: systemIdentifier)
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
