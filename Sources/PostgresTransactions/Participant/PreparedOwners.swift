import EventLoop
import PostgresClient
import TransactionEngine

/// Finds the owners of prepared transactions on one server, many in one query.
///
/// PostgreSQL scans everything prepared to find one name, so a recovery that asked for each of thousands
/// by itself would do nothing else. Questions gather while all of the callers' connections have a query
/// under way, and go into the next query together. A connection that no longer answers delays only the
/// questions in its own query.
@LoopActor
final class PreparedOwners {
    struct Owner {
        let role: String
        let database: String
    }

    private struct Question {
        let gid: String
        /// The caller holds it until the answer arrives.
        let connection: PostgresConnection
        let reply: CheckedContinuation<Result<Owner?, PostgresError>, Never>
    }

    private let loop: EventLoop
    private var gathering: [Question] = []
    /// The connections that have a query under way.
    private var asking: Set<ObjectIdentifier> = []

    init(loop: EventLoop) { self.loop = loop }

    /// Who prepared the transaction of that name, and where; nil if there is none.
    ///
    /// The answer is not older than the call. It may come over another caller's connection.
    func owner(
        of gid: String, on connection: PostgresConnection
    ) async throws(PostgresError) -> Owner? {
        let result = await withCheckedContinuation { reply in
            gathering.append(Question(gid: gid, connection: connection, reply: reply))
            guard asking.insert(ObjectIdentifier(connection)).inserted else { return }
            Task(executorPreference: loop) { await self.askAll(on: connection) }
        }
        return try result.get()
    }

    /// Asks everything that has gathered, as long as one of the callers holds this connection.
    ///
    /// Every question that gathers has a connection with a query under way, so it is asked at the latest
    /// when that query is answered.
    private func askAll(on connection: PostgresConnection) async {
        while gathering.contains(where: { $0.connection === connection }) {
            let questions = gathering
            gathering = []
            let owners: Result<[String: Owner], PostgresError>
            do {
                let found = try await connection.rows(
                    Self.query, [ArrayLiteral.write(questions.map(\.gid))], timeout: .seconds(30))
                owners = .success(Dictionary(found, uniquingKeysWith: { first, _ in first }))
            } catch {
                owners = .failure(error)
            }
            for question in questions {
                question.reply.resume(returning: owners.map { $0[question.gid] })
            }
        }
        asking.remove(ObjectIdentifier(connection))
    }

    private static let query = Query<(String, Owner)>(
        "SELECT gid, owner, database FROM pg_prepared_xacts WHERE gid = ANY ($1::text[])"
    ) { row in
        guard let gid = row.text(), let role = row.text(), let database = row.text() else {
            return nil
        }
        return (gid, Owner(role: role, database: database))
    }
}
