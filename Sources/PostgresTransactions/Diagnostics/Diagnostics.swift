package import EventLoop
package import PostgresClient

/// Examines whether a database can do its part, and is set up for it.
///
/// It changes nothing. A participant prepares an empty transaction and rolls it back.
package enum Diagnostics {
    static let patience = Duration.seconds(10)

    /// The database's part.
    package enum Purpose: Sendable, Hashable {
        /// The coordinator's own.
        case state
        /// One that takes part in transactions.
        case participant
    }

    /// Runs all checks; an error on the way is a failing check.
    ///
    /// - Parameters:
    ///   - timeout: the bound on connecting; each query has ten seconds.
    ///   - journal: whether a participant is to keep a journal of decisions.
    ///   - allowsPrivilegedRole: whether the role may have rights that tandem refuses.
    @LoopActor
    package static func examine(
        _ options: ConnectionOptions, as purpose: Purpose, allowsFsyncOff: Bool,
        timeout: Duration, journal: Bool = false, allowsPrivilegedRole: Bool = true,
        loop: EventLoop
    ) async -> Diagnosis {
        var checks: [Diagnosis.Check] = []
        do {
            // Two sessions, since one alone cannot show a pooler.
            let (connection, options) = try await reach(options, timeout: timeout, loop: loop)
            defer { connection.close() }
            let other = try await PostgresConnection.connect(
                options, timeout: timeout, loop: loop)
            defer { other.close() }
            checks.append(.ok("reachable", "It answers, to two sessions at once."))
            // First, since through a pooler the other queries could run in different sessions.
            let session = await PoolerProbe.examine(connection, other, timeout: timeout)
            checks.append(session)
            guard session.verdict == .ok else { return Diagnosis(checks: checks, summary: nil) }
            _ = try await connection.set(
                .examination, thenRun: Command("SELECT 1", cached: false), timeout: patience)
            let probe = try await ServerProbe.read(connection, as: purpose)
            checks += probe.checks(purpose, allowsFsyncOff: allowsFsyncOff)
            checks.append(
                try await ExcessRights.examine(connection, isAllowed: allowsPrivilegedRole))
            checks += try await HazardReading.examine(connection, as: purpose)
            checks.append(
                await SettingsProbe.examine(
                    connection, options, as: purpose, timeout: timeout, loop: loop))
            if purpose == .participant, probe.canPrepare {
                checks.append(await trial(connection))
            }
            if journal { checks.append(try await Journal.examine(connection)) }
            return Diagnosis(checks: checks, summary: probe.summary(purpose))
        } catch {
            checks.append(.failing(checks.isEmpty ? "reachable" : "queries", "\(error)"))
            return Diagnosis(checks: checks, summary: nil)
        }
    }

    /// Connects as a replica does, or to any server if that is refused.
    ///
    /// Replicas use no session on a standby, and so the checks can report that the server is one.
    @LoopActor
    private static func reach(
        _ options: ConnectionOptions, timeout: Duration, loop: EventLoop
    ) async throws(PostgresError) -> (PostgresConnection, ConnectionOptions) {
        do {
            let connection = try await PostgresConnection.connect(
                options, timeout: timeout, loop: loop)
            return (connection, options)
        } catch {
            let any = try options.overriding(["target_session_attrs": "any"])
            guard any != options,
                let connection = try? await PostgresConnection.connect(
                    any, timeout: timeout, loop: loop)
            else { throw error }
            return (connection, any)
        }
    }

    private static let name = Query<String>(
        "SELECT 'tandem-check:' || pg_catalog.gen_random_uuid()"
    ) { $0.text() }

    /// Prepares an empty transaction and rolls it back.
    @LoopActor
    private static func trial(_ connection: PostgresConnection) async -> Diagnosis.Check {
        do {
            let gid = try await connection.row(name, timeout: patience) ?? ""
            let replies = try await connection.execute(
                [
                    [
                        Command("BEGIN"), Command("SELECT pg_current_xact_id()", cached: false),
                        Command("PREPARE TRANSACTION \(gid.quotedLiteral)", cached: false),
                    ],
                    [Command("ROLLBACK PREPARED \(gid.quotedLiteral)", cached: false)],
                ], timeout: patience)
            for case .failed(let message) in replies.joined() {
                return .failing("trial", "Preparing and rolling back failed: \(message.message).")
            }
            return .ok("trial", "It prepared a transaction and rolled it back.")
        } catch {
            return .failing("trial", "Preparing and rolling back failed: \(error).")
        }
    }
}
