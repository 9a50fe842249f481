import CommitProtocol
import HTTPServer
import HTTPTypes
import TransactionEngine

extension CoordinatorAPI {
    /// Rolls a transaction back, whichever replica drives it; repeated, it gives the recorded
    /// outcome.
    func rollBack(_ request: ServerRequest) async throws(Problem) -> ServerResponse {
        try NoQuery.decode(Self.queryItems(request))
        let id = try Self.transactionID(request)
        let answer: RollbackAnswer
        do throws(LogUnavailable) {
            answer = try await engine.rollBack(id, principal: principal)
        } catch {
            throw Problem(.stateDatabaseUnavailable, error.reason)
        }
        switch answer {
        case .notFound:
            throw Self.noSuchTransaction
        case .outcomeUnknown:
            var problem = Problem(
                .outcomeUnknown,
                "The state database does not say what was decided; the status will tell.")
            problem.transaction = id.description
            throw problem
        case .known(let record) where record.decision == .abort:
            return resource(record, record.finishedAt == nil ? .accepted : .ok)
        case .known(let record):
            var problem = Problem(.conflict, "The decision is to commit, and it stands.")
            problem.transaction = record.id.description
            throw problem
        }
    }

    static func transactionID(_ request: ServerRequest) throws(Problem) -> GlobalTransactionID {
        guard let id = request.parameters["id"].flatMap({ GlobalTransactionID($0) }) else {
            throw noSuchTransaction
        }
        return id
    }

    static var noSuchTransaction: Problem {
        Problem(.notFound, "There is no such transaction.")
    }
}
