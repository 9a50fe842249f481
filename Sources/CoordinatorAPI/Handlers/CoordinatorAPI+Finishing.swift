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
        if let condition = request.headerFields[.ifMatch] {
            try await require(condition, of: id)
        }
        do throws(LogUnavailable) {
            answer = try await engine.rollBack(id, principal: nil)
        } catch {
            throw Self.unavailable(error, id)
        }
        switch answer {
        case .notFound:
            throw Self.noSuchTransaction
        case .outcomeUnknown:
            throw Self.outcomeUnknown(
                id, "The state database does not say what was decided; the status will tell.")
        case .held:
            var problem = Problem(.conflict, Self.heldSentence)
            problem.transaction = id.description
            throw problem
        case .known(let record) where record.needsOperator:
            throw Problem.ofOperator(record) ?? Self.noSuchTransaction
        case .known(let record) where record.decision == .abort:
            return resource(record, record.finishedAt == nil ? .accepted : .ok)
        case .known(let record):
            var problem = Problem(.conflict, "The decision is to commit, and it stands.")
            problem.transaction = record.id.description
            throw problem
        }
    }

    /// Refuses what is asked under an `If-Match` that does not hold.
    private func require(
        _ condition: String, of id: GlobalTransactionID
    ) async throws(Problem) {
        try EntityTag.requireCondition(condition)
        let found: TransactionRecord?
        do throws(LogUnavailable) {
            found = try await engine.status(of: id, principal: nil)
        } catch {
            throw Self.unavailable(error, id)
        }
        guard let found else { throw Self.noSuchTransaction }
        guard Self.holds(condition, found.version) else {
            throw EntityTag.preconditionFailed(condition)
        }
    }

    /// Whether the condition names this version, in any of its representations.
    private static func holds(_ condition: String, _ version: String) -> Bool {
        MediaType.ofTransactions.contains { EntityTag(version, of: $0).matches(ifMatch: condition) }
    }

    static let heldSentence =
        "The state database has changed, and may have lost the decision: an operator has to look."

    /// Takes an operator's word for a branch.
    func resolve(_ request: ServerRequest) async throws(Problem) -> ServerResponse {
        try NoQuery.decode(Self.queryItems(request))
        try ContentNegotiation.requireJSON(request.headerFields)
        let id = try Self.transactionID(request)
        let resolution = try ResolutionBody.decode(request.body)
        guard let condition = request.headerFields[.ifMatch] else {
            throw Problem(
                .preconditionRequired,
                "If-Match is wanted: the entity tag of the status that this is about, or * for a "
                    + "prepared transaction without one.")
        }
        try EntityTag.requireCondition(condition)
        let answer: ResolutionAnswer
        do throws(LogUnavailable) {
            answer = try await engine.resolve(id, resolution) { version in
                version.map { Self.holds(condition, $0) } ?? EntityTag.matchesAnything(condition)
            }
        } catch {
            throw Self.unavailable(error, id)
        }
        switch answer {
        case .notFound: throw Self.noSuchTransaction
        case .changed: throw EntityTag.preconditionFailed(condition)
        case .refused(let reason):
            var problem = Problem(.conflict, reason)
            problem.transaction = id.description
            throw problem
        case .recorded(let record):
            return resource(record, .ok)
        case .ended:
            return ServerResponse(status: .noContent)
        case .pending:
            return ServerResponse(status: .accepted)
        }
    }

    static func transactionID(_ request: ServerRequest) throws(Problem) -> GlobalTransactionID {
        guard let id = request.parameters["id"].flatMap({ GlobalTransactionID($0) }) else {
            throw noSuchTransaction
        }
        return id
    }

    /// Why nothing can be told of a transaction.
    static func unavailable(_ error: LogUnavailable, _ id: GlobalTransactionID) -> Problem {
        guard error.isOutcomeUnknown else {
            return Problem(unreadable: error)
        }
        return outcomeUnknown(id, error.reason)
    }

    static var noSuchTransaction: Problem {
        Problem(.notFound, "There is no such transaction.")
    }
}
