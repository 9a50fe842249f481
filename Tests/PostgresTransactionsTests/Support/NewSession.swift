import EventLoop
import PostgresClient

@testable import PostgresTransactions

extension SessionRegistry {
    /// Opens a session as a participant's finishing ones are, has it admitted, and closes it.
    func admitNewSession(of participant: ParticipantOptions) async throws {
        var options = participant
        options.connectTimeout = .seconds(300)
        let settings = SessionSettings.finish
        let connection = try await PostgresConnection.connect(
            options.connection.overriding(["options": settings.startup]),
            timeout: options.connectTimeout, loop: .shared)
        defer { connection.close() }
        _ = try await admit(connection, of: options, set: settings)
    }
}
