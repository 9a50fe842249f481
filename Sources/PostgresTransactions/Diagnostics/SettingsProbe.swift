import EventLoop
import PostgresClient

/// Whether a database lets our sessions have the settings that they need.
enum SettingsProbe {
    @LoopActor
    static func examine(
        _ connection: PostgresConnection, _ options: ConnectionOptions,
        _ purpose: Diagnostics.Purpose, _ timeout: Duration
    ) async -> Diagnosis.Check {
        do {
            switch purpose {
            case .state:
                if let settings = try await StateDatabase.unsafeSettings(connection) {
                    throw StateDatabaseError.unsafeSettings(settings)
                }
            case .participant: try await connect(options, timeout)
            }
            return .init("settings", .ok, "Its sessions have the settings that tandem needs.")
        } catch {
            return .init("settings", .failing, "Its sessions cannot be used: \(error).")
        }
    }

    /// Opens a session as those are that end branches: what they set goes with the connection's start,
    /// which a pooler may refuse or drop.
    @LoopActor
    private static func connect(_ options: ConnectionOptions, _ timeout: Duration) async throws {
        let settings = SessionSettings.finish
        let connection = try await PostgresConnection.connect(
            options.overriding(["options": settings.startup]), timeout: timeout)
        defer { connection.close() }
        let question = Command(
            "SELECT \(SessionAdmission.columns)", SessionAdmission.parameters(settings))
        let row = try await connection.run(
            [SessionAdmission.ownSearchPath, question], timeout: Diagnostics.patience)
        _ = try SessionAdmission(row, from: 0)
    }
}
