import EventLoop
import PostgresClient
import TransactionEngine

/// Whose the prepared transactions of one server are, asked for many at a time.
///
/// PostgreSQL has to look through all that is prepared to answer for one name, so a recovery that asked
/// for each of thousands by itself would spend its time on nothing else. What is asked for while all
/// of the askers' connections have a question under way goes into the next one; a connection that has
/// fallen silent holds up nobody but those whose question it has.
@LoopActor
final class PreparedOwners {
    struct Owner {
        let role: String
        let database: String
    }

    private struct Question {
        let gid: String
        /// Held by whoever asks until the answer is there.
        let connection: PostgresConnection
        let reply: CheckedContinuation<Result<Owner?, PostgresError>, Never>
    }

    private var gathering: [Question] = []
    /// The connections that have a question under way.
    private var asking: Set<ObjectIdentifier> = []

    /// Who prepared the transaction of that name, and where; nil if there is none.
    ///
    /// The answer is not older than the call. It may come over another asker's connection.
    func owner(
        of gid: String, on connection: PostgresConnection
    ) async throws(PostgresError) -> Owner? {
        let result = await withCheckedContinuation { reply in
            gathering.append(Question(gid: gid, connection: connection, reply: reply))
            guard asking.insert(ObjectIdentifier(connection)).inserted else { return }
            Task(executorPreference: EventLoop.shared) { await self.askAll(on: connection) }
        }
        return try result.get()
    }

    /// Asks everything that has gathered, as long as somebody among the askers holds this connection.
    ///
    /// Whatever gathers does so for a connection that has a question under way, so it is asked at the
    /// latest when that one is answered.
    private func askAll(on connection: PostgresConnection) async {
        while gathering.contains(where: { $0.connection === connection }) {
            let questions = gathering
            gathering = []
            let found: Result<[String: Owner], PostgresError>
            do {
                found = .success(try await ask(questions.map(\.gid), on: connection))
            } catch {
                found = .failure(error)
            }
            for question in questions {
                question.reply.resume(returning: found.map { $0[question.gid] })
            }
        }
        asking.remove(ObjectIdentifier(connection))
    }

    private func ask(
        _ gids: [String], on connection: PostgresConnection
    ) async throws(PostgresError) -> [String: Owner] {
        let rows = try await connection.query(
            "SELECT gid, owner, database FROM pg_prepared_xacts WHERE gid = ANY ($1::text[])",
            [ArrayLiteral.write(gids)], timeout: .seconds(30))
        var found: [String: Owner] = [:]
        for row in 0..<rows.rowCount {
            guard let gid = rows.text(row: row, column: 0),
                let role = rows.text(row: row, column: 1),
                let database = rows.text(row: row, column: 2)
            else { continue }
            found[gid] = Owner(role: role, database: database)
        }
        return found
    }
}
