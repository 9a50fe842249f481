package import EventLoop
package import HTTPServer
import HTTPTypes
package import TransactionEngine

/// The interface's settings.
package struct APISettings: Sendable {
    /// The time to the decision if a request does not set it.
    package var defaultTimeout: Duration = .seconds(10)
    /// How often a transaction may run again if a request does not set it.
    ///
    /// A run that lost a deadlock keeps its request's age, so it wins against all younger ones. Unless
    /// the request is `inOrder`, it works in an order in which it cannot deadlock over several
    /// participants with others that are ordered. What may lose more often is SERIALIZABLE and
    /// REPEATABLE READ work on a hot row, where one of those that conflict commits each time. Ten
    /// runs outlast ten such rivals; the deadline bounds the time in any case.
    package var defaultRetries = 10
    /// Whether a commit is answered at its decision if the request does not say.
    package var returnsAtDecision = false
    /// How much one request may ask for.
    package var limits = WireLimits()
    /// Reads the caller's position in a trace from its header fields; nil if nothing is traced.
    package var traceContext: (@Sendable (RequestFields) -> (any Sendable)?)?

    package init() {}
}

/// Whether this replica can serve.
package struct Readiness: Sendable {
    /// Why the state database is unavailable; nil if it is available.
    package let stateFailure: StateFailure?
    /// Whether the replica is stopping.
    package let isDraining: Bool
    /// Why the state database is in quarantine; nil if it is not.
    package let quarantineReason: String?

    /// Why the state database is unavailable, in two versions.
    package struct StateFailure: Sendable {
        /// For every caller.
        let summary: String
        /// For operators, with the server's own words.
        let description: String

        package init(summary: String, description: String) {
            self.summary = summary
            self.description = description
        }
    }

    package init(stateFailure: StateFailure?, isDraining: Bool, quarantineReason: String?) {
        self.stateFailure = stateFailure
        self.isDraining = isDraining
        self.quarantineReason = quarantineReason
    }
}

/// The REST interface of a coordinator.
package struct CoordinatorAPI: Sendable {
    let engine: TransactionEngine
    let settings: APISettings
    let readiness: @Sendable () async -> Readiness
    let metrics: @Sendable () async -> [UInt8]
    private let contract = Contract()
    /// The principal of all transactions that begin here, until callers are authenticated.
    ///
    /// Until then every caller sees all transactions, also those of programs and of recovery.
    let principal = "anonymous"

    /// Makes the interface over an engine.
    ///
    /// - Parameter metrics: Renders all metrics in Prometheus' text format; it must ask no database.
    package init(
        engine: TransactionEngine, settings: APISettings,
        metrics: @escaping @Sendable () async -> [UInt8],
        readiness: @escaping @Sendable () async -> Readiness
    ) {
        self.engine = engine
        self.metrics = metrics
        self.settings = settings
        self.readiness = readiness
    }

    /// Every route, for a server on this loop; the contract lists the same.
    package func router(
        on loop: EventLoop, makeObserver: MakeRouteObserver? = nil
    ) -> Router {
        let transactionTypes = MediaType.ofLists
        var router = Router(loop: loop, makeObserver: makeObserver) { ServerResponse(Problem($0)) }
        router.on(.post, "/v1/transactions", handler: begin)
        router.on(
            .get, "/v1/transactions",
            suspending: answering(in: transactionTypes, list))
        router.on(
            .get, "/v1/transactions/{id}",
            suspending: answering(in: transactionTypes, show))
        router.on(
            .get, "/v1/transactions/{id}/timeline",
            suspending: answering(in: transactionTypes, showTimeline))
        router.on(.post, "/v1/transactions/{id}/rollback", suspending: answering(rollBack))
        router.on(.post, "/v1/transactions/{id}/resolution", suspending: answering(resolve))
        router.on(.post, "/v1/transactions/{id}/retry", suspending: answering(retry))
        router.on(.get, "/v1/overview", suspending: answering(showOverview))
        router.on(.get, "/v1/replicas", suspending: answering(listReplicas))
        router.on(.get, "/v1/participants", suspending: answering(listParticipants))
        router.on(.get, "/v1/participants/{name}", suspending: answering(showParticipant))
        router.on(
            .get, "/v1/participants/{name}/waits",
            suspending: answering(in: MediaType.ofLists, listWaits))
        router.on(
            .get, "/v1/participants/{name}/prepared",
            suspending: answering(in: MediaType.ofLists, listPrepared))
        router.on(.get, "/livez", suspending: answering(showLiveness))
        router.on(.get, "/readyz", suspending: answering(showReadiness))
        router.on(.get, "/metrics", suspending: answering(in: [.text], showMetrics))
        router.on(
            .get, "/openapi.yaml", suspending: answering(in: [.yaml]) { _, _ in contract.yaml })
        router.on(.get, "/openapi.json", suspending: answering { _ in contract.json })
        return router
    }

    private func answering(
        _ body: @escaping @Sendable (ServerRequest) async throws(Problem) -> ServerResponse
    ) -> SuspendingHandler {
        answering(in: [.json]) { (request, _) async throws(Problem) in try await body(request) }
    }

    /// A handler that answers in one of the offered media types.
    ///
    /// It refuses a caller who accepts none of them before it does anything.
    private func answering(
        in offered: [MediaType],
        _ body:
            @escaping @Sendable (ServerRequest, MediaType) async throws(Problem) ->
            ServerResponse
    ) -> SuspendingHandler {
        { request in
            var response: ServerResponse
            do throws(Problem) {
                let type = try ContentNegotiation.choose(
                    accept: request.headerFields[.accept], from: offered)
                response = try await body(request, type)
            } catch {
                response = ServerResponse(error)
            }
            if offered.count > 1 { response.headerFields[.vary] = "Accept" }
            return response
        }
    }

    /// The answer to what the HTTP server refuses by itself.
    package static func render(_ failure: ProtocolFailure) -> ServerResponse {
        ServerResponse(Problem(failure))
    }
}
