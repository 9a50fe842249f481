import AccessControl
import CommitProtocol
import HTTPServer
import HTTPTypes
import TransactionEngine

extension CoordinatorAPI {
    /// What answers a caller's request in JSON.
    typealias Action =
        @Sendable (ServerRequest, Principal) async throws(Problem) -> ServerResponse

    /// The same action, which is reported to auditors if an operator asks for it.
    ///
    /// The answer waits for the report. A principal that rolls its own transaction back is no operator.
    func audited(_ action: AuditEntry.Action, _ body: @escaping Action) -> Action {
        { (request, caller) async throws(Problem) in
            guard caller.may(.operate) else { return try await body(request, caller) }
            let result: Result<ServerResponse, Problem>
            do throws(Problem) {
                result = .success(try await body(request, caller))
            } catch {
                result = .failure(error)
            }
            let subject = Self.subject(of: request, action)
            await authorizer.report(
                action, on: subject.name, reason: subject.reason, by: caller, with: request,
                outcome: Self.outcome(of: result))
            return try result.get()
        }
    }

    /// The transaction, and what the operator stated.
    private static func subject(
        of request: ServerRequest, _ action: AuditEntry.Action
    ) -> (name: String, reason: String?) {
        // An id that is none may be any text.
        let id = request.parameters["id"].flatMap { GlobalTransactionID($0) }
        let name = id?.description ?? "no transaction"
        guard action == .resolution, let resolution = try? Resolution(decoding: request.body)
        else { return (name, nil) }
        return ("\(name)/\(resolution.branch)", "\(resolution.actor): \(resolution.reason)")
    }

    private static func outcome(of result: Result<ServerResponse, Problem>) -> String {
        switch result {
        case .success(let response): response.status == .accepted ? "accepted" : "done"
        case .failure(let problem): problem.type.rawValue
        }
    }
}
