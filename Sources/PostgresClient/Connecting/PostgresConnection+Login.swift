extension PostgresConnection {
    /// The first version in which a trigger may run code in every new session.
    private static let loginTriggerVersion = 170_000

    /// Undoes what a login event trigger has done to this new session, so that it is as its options
    /// say.
    ///
    /// Such a trigger runs after the startup options were applied. It may set `synchronous_commit`,
    /// the role or the search path, take locks, or hide a table behind a temporary one. Otherwise a
    /// first transaction would see settings that later ones, after `RESET ALL`, do not.
    ///
    /// Throws what ``connect(_:timeout:statementsMax:)`` throws; the connection is closed then.
    func undoLoginTrigger(timeout: Duration) async throws(PostgresError) {
        guard serverVersion >= Self.loginTriggerVersion else { return }
        let refusal: PostgresError
        do {
            let discard = Command("DISCARD ALL", cached: false)
            switch try await execute([[discard]], timeout: timeout)[0][0] {
            case .completed: return
            case .failed(let message): refusal = .refused(message)
            case .exceeded, .skipped: refusal = .unreachable("DISCARD ALL had no answer")
            }
        } catch {
            refusal = .unreachable("a new session did not answer DISCARD ALL: \(error)")
        }
        close()
        throw refusal
    }
}
