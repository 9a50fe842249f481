import AccessControl
import HTTPServer
import HTTPTypes
import TransactionEngine

/// The state of the installation at a glance, and of a participant's server in detail.
extension CoordinatorAPI {
    func showOverview(_ request: ServerRequest, for caller: Principal) async throws(Problem)
        -> ServerResponse
    {
        try NoQuery.require(request.queryItems())
        let overview: Overview
        do throws(LogUnavailable) {
            overview = try await engine.overview()
        } catch {
            throw Problem(error)
        }
        return ServerResponse(.ok, .json, body: OverviewRendering.json(overview))
    }

    func listReplicas(_ request: ServerRequest, for caller: Principal) async throws(Problem)
        -> ServerResponse
    {
        try NoQuery.require(request.queryItems())
        let replicas: [ReplicaReport]
        do throws(LogUnavailable) {
            replicas = try await engine.replicas()
        } catch {
            throw Problem(error)
        }
        return ServerResponse(.ok, .json, body: OverviewRendering.json(replicas))
    }

    /// Lists everything that is prepared on a participant's server.
    func listPrepared(
        _ request: ServerRequest, as type: MediaType, for caller: Principal
    ) async throws(Problem) -> ServerResponse {
        try NoQuery.require(request.queryItems())
        let name = try await participant(of: request).name
        let report: PreparedReport
        do throws(ParticipantUnreachable) {
            report = try await engine.preparedTransactions(in: name)
        } catch {
            throw Problem(error, reading: name)
        }
        return ServerResponse(
            .ok, type,
            body: type == .text ? PreparedRendering.lines(report) : PreparedRendering.json(report))
    }
}
