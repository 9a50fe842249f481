import EventLoop
import Logging
import PostgresClient
import TransactionEngine

/// The facts about a session and its server, as found when the session was opened.
struct SessionFacts: Sendable {
    let identity: SessionIdentity
    /// The role that prepares; a role that is a default setting is reset before PREPARE.
    let user: String
    let database: String
    let timeline: UInt32
    let slotLimit: Int
    /// When the server's postmaster started, in microseconds since 1970.
    let serverStartedAt: String
    /// Every transaction id that the server has given so far is below it.
    let nextTransactionID: UInt64
    /// The settings that are made anew in the session before each transaction.
    var adjustments: [Command] = []
    /// The version of the participant; nil where none is recorded.
    var version: Int?

    var systemIdentifier: String { identity.systemIdentifier }

    /// The server as long as it runs.
    var runningServer: RunningServer {
        RunningServer(systemIdentifier: systemIdentifier, startedAt: serverStartedAt)
    }

    var server: ServerTimeline {
        ServerTimeline(systemIdentifier: systemIdentifier, timeline: timeline)
    }
}

/// Why a session may not be used.
enum SessionRefusal: Error, CustomStringConvertible {
    case isStandby
    case fsyncOff
    case superseded
    case unreadable
    case formerPrimary(timeline: UInt32, latest: UInt32)
    /// Something else there makes it unusable; the text says what.
    case unusable(String)
    case settingsMissing(names: String)
    case dataDoubtful(settings: String)
    case privilegedRole(ExcessRights, participant: String)

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
        case .privilegedRole(let excess, let participant):
            "every caller's SQL would have rights that reach beyond the database, since "
                + "\(excess.sentence); or set allowPrivilegedRole: true for participant "
                + participant
        }
    }
}

/// Records the sessions to participants in the state database before they are used, by a statement that
/// locks and checks the epoch.
///
/// So a later incarnation of this replica, or another replica, knows which backends might still prepare
/// something, and can end them. Without a state database no later incarnation can take anything over, and
/// nothing is recorded: the incarnation that has a session ends it itself.
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

    /// Examines a new session, finds the version of the participant that it leads to, and records it.
    ///
    /// The session keeps PostgreSQL's own search path after this.
    ///
    /// - Parameter settings: the settings that the session was opened with.
    func admit(
        _ connection: PostgresConnection, of options: ParticipantOptions,
        set settings: SessionSettings
    ) async throws -> SessionFacts {
        var facts = try await examine(connection, settings, of: options)
        facts.version = try await catalog?.version(of: options, facts)
        try await record(facts.identity, of: options.name)
        return facts
    }

    /// Records a session; sessions that gather while one write is under way share the next one.
    ///
    /// A replica opens many at once when it starts, and recovery waits for them.
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

    /// Writes durably, by a statement that locks and checks the epoch: if a record could be lost after its
    /// session was used, a later incarnation would not know of the session.
    private func record(_ batch: [Entry]) async throws {
        guard let state else { return }
        let recorded = try await state.write(
            """
            WITH incarnation AS (SELECT FROM tandem.replicas AS r WHERE name = $4 AND epoch = $5::bigint
                AND \(StateDatabase.isAlive) FOR SHARE)
            INSERT INTO tandem.sessions (participant, process_id, backend_start, replica, epoch,
                system_identifier)
            SELECT p, i, s, $4, $5::bigint, y FROM incarnation,
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

    /// What a new session answers about itself.
    private struct Introduction: Sendable {
        let processID: Int32?
        let startedAt: String?
        let user: String?
        let systemIdentifier: String?
        /// In hexadecimal; nil on a standby.
        let timeline: String?
        let slotLimit: Int?
        let serverStartedAt: String?
        let isFsyncOn: Bool
        let database: String?
        let nextTransactionID: UInt64?
        let settings: SessionAdmission.Answer
        let excess: ExcessRights?
    }

    private static let introduction = Query<Introduction>(
        """
        SELECT pg_backend_pid(),
            (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint
                FROM pg_stat_activity WHERE pid = pg_backend_pid()),
            session_user, (SELECT system_identifier FROM pg_control_system()),
            CASE WHEN pg_is_in_recovery() THEN NULL
                ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END,
            current_setting('max_prepared_transactions'),
            (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint,
            current_setting('fsync'),
            current_database(), pg_snapshot_xmax(pg_current_snapshot()),
            \(SessionAdmission.columns), \(ExcessRights.columns.joined(separator: ", "))
        """
    ) { row in
        let (processID, startedAt, user): (Int32?, String?, String?) = (
            row.value(), row.text(), row.text()
        )
        return Introduction(
            processID: processID, startedAt: startedAt, user: user,
            systemIdentifier: row.text(), timeline: row.text(), slotLimit: row.value(),
            serverStartedAt: row.text(), isFsyncOn: row.text() == "on", database: row.text(),
            nextTransactionID: row.value(), settings: SessionAdmission.Answer(from: &row),
            excess: ExcessRights(role: user ?? "", rights: row.list(), remedies: row.list()))
    }

    private func examine(
        _ connection: PostgresConnection, _ settings: SessionSettings,
        of options: ParticipantOptions
    ) async throws -> SessionFacts {
        let result = try await connection.run(
            [
                SessionAdmission.ownSearchPath,
                Self.introduction.command(SessionAdmission.parameters(settings)),
            ], timeout: options.connectTimeout)
        guard let answer = Self.introduction.row(of: result) else {
            throw SessionRefusal.unreadable
        }
        let admission = try SessionAdmission(answer.settings)
        guard let timeline = answer.timeline else { throw SessionRefusal.isStandby }
        guard allowsFsyncOff || answer.isFsyncOn else { throw SessionRefusal.fsyncOff }
        if !options.allowsPrivilegedRole, let excess = answer.excess {
            throw SessionRefusal.privilegedRole(excess, participant: options.name)
        }
        guard let processID = answer.processID, let startedAt = answer.startedAt,
            let user = answer.user, let systemIdentifier = answer.systemIdentifier,
            let timeline = UInt32(timeline, radix: 16), let slotLimit = answer.slotLimit,
            let serverStartedAt = answer.serverStartedAt, let database = answer.database,
            let next = answer.nextTransactionID
        else { throw SessionRefusal.unreadable }
        return SessionFacts(
            identity: SessionIdentity(
                processID: processID, startedAt: startedAt, systemIdentifier: systemIdentifier),
            user: user, database: database, timeline: timeline, slotLimit: slotLimit,
            serverStartedAt: serverStartedAt, nextTransactionID: next,
            adjustments: admission.adjustments)
    }

    /// The sessions of incarnations that are over, this replica's and others', on this server: a pid means
    /// nothing on another.
    func formerSessions(
        of participant: String, on systemIdentifier: String
    ) async throws -> [SessionIdentity] {
        let query = Self.sessions(
            on: systemIdentifier,
            """
            FROM tandem.sessions AS s
            WHERE s.participant = $1 AND s.system_identifier = $2 AND NOT EXISTS (
                SELECT FROM tandem.replicas AS r WHERE r.name = s.replica AND r.epoch = s.epoch
                    AND \(StateDatabase.isAlive))
            """)
        guard let state else { return [] }
        return query.rows(of: try await state.read(query.sql, [participant, systemIdentifier]))
    }

    /// Recorded sessions of any incarnation on this server, in the order of their key after this one.
    func recorded(
        of participant: String, on systemIdentifier: String, after last: SessionIdentity?,
        limit: Int
    ) async throws -> [SessionIdentity] {
        let query = Self.sessions(
            on: systemIdentifier,
            """
            FROM tandem.sessions AS s
            WHERE s.participant = $1 AND s.system_identifier = $2
                AND (s.process_id, s.backend_start) > ($3::integer, $4)
            ORDER BY s.process_id, s.backend_start LIMIT \(limit)
            """)
        guard let state else { return [] }
        return query.rows(
            of: try await state.read(
                query.sql,
                [
                    participant, systemIdentifier, "\(last?.processID ?? 0)",
                    last?.startedAt ?? "",
                ]))
    }

    private static func sessions(
        on systemIdentifier: String, _ source: String
    ) -> Query<SessionIdentity> {
        Query("SELECT s.process_id, s.backend_start \(source)") { row in
            guard let processID: Int32 = row.value(), let startedAt = row.text() else { return nil }
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
