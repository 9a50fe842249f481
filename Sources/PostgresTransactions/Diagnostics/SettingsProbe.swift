import EventLoop
import PostgresClient

/// Checks whether a database lets our sessions have the settings that they need.
enum SettingsProbe {
    @LoopActor
    static func examine(
        _ connection: PostgresConnection, _ options: ConnectionOptions,
        as purpose: Diagnostics.Purpose, timeout: Duration, loop: EventLoop
    ) async -> Diagnosis.Check {
        do {
            switch purpose {
            case .state:
                if let settings = try await StateDatabase.unsafeSettings(connection) {
                    throw StateDatabaseError.unsafeSettings(settings)
                }
            case .participant: try await connect(options, timeout: timeout, loop: loop)
            }
            return .ok("settings", "Its sessions have the settings that tandem needs.")
        } catch {
            return .failing("settings", "Its sessions cannot be used: \(error).")
        }
    }

    /// Opens a session with the settings of those that end branches: the startup packet carries them, and
    /// a pooler may refuse or drop them.
    @LoopActor
    private static func connect(
        _ options: ConnectionOptions, timeout: Duration, loop: EventLoop
    ) async throws {
        let settings = SessionSettings.finish
        let connection = try await PostgresConnection.connect(
            options.overriding(["options": settings.startup]), timeout: timeout, loop: loop)
        defer { connection.close() }
        let command = query.command(SessionAdmission.parameters(settings))
        let result = try await connection.run(
            [SessionAdmission.ownSearchPath, command], timeout: Diagnostics.patience)
        guard let answer = query.row(of: result) else { throw SessionRefusal.unreadable }
        _ = try SessionAdmission(answer)
    }

    private static let query = Query<SessionAdmission.Answer>(
        "SELECT \(SessionAdmission.columns)"
    ) { SessionAdmission.Answer(from: &$0) }
}
