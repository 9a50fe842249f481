import AccessControl
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
    let authorizer: Authorizer
    private let contract = Contract()

    /// Makes the interface over an engine.
    ///
    /// - Parameter metrics: Renders all metrics in Prometheus' text format; it must ask no database.
    package init(
        engine: TransactionEngine, settings: APISettings, authorizer: Authorizer,
        metrics: @escaping @Sendable () async -> [UInt8],
        readiness: @escaping @Sendable () async -> Readiness
    ) {
        self.engine = engine
        self.metrics = metrics
        self.settings = settings
        self.authorizer = authorizer
        self.readiness = readiness
    }

    /// Every route, for a server on this loop; the contract lists the same.
    package func router(
        on loop: EventLoop, makeObserver: MakeRouteObserver? = nil
    ) -> Router {
        let types = MediaType.ofLists
        var router = Router(loop: loop, makeObserver: makeObserver) { ServerResponse(Problem($0)) }
        router.on(.post, "/v1/transactions", handler: begin)
        router.on(.get, "/v1/transactions", suspending: answering([.read], in: types, list))
        router.on(.get, "/v1/transactions/{id}", suspending: answering([.read], in: types, show))
        router.on(
            .get, "/v1/transactions/{id}/timeline",
            suspending: answering([.read], in: types, showTimeline))
        router.on(
            .post, "/v1/transactions/{id}/rollback",
            suspending: answering([.run, .operate], audited(.rollback, rollBack)))
        router.on(
            .post, "/v1/transactions/{id}/resolution",
            suspending: answering([.operate], audited(.resolution, resolve)))
        router.on(
            .post, "/v1/transactions/{id}/retry",
            suspending: answering([.operate], audited(.retry, retry)))
        router.on(.get, "/v1/overview", suspending: answering([.operate], showOverview))
        router.on(.get, "/v1/replicas", suspending: answering([.operate], listReplicas))
        router.on(.get, "/v1/participants", suspending: answering([.operate], listParticipants))
        router.on(
            .get, "/v1/participants/{name}", suspending: answering([.operate], showParticipant))
        router.on(
            .get, "/v1/participants/{name}/waits",
            suspending: answering([.operate], in: types, listWaits))
        router.on(
            .get, "/v1/participants/{name}/prepared",
            suspending: answering([.operate], in: types, listPrepared))
        router.on(.get, "/livez", suspending: answeringAnyone(showLiveness))
        router.on(.get, "/readyz", suspending: answeringAnyone(showReadiness))
        router.on(.get, "/metrics", suspending: answering([.read], in: [.text], showMetrics))
        router.on(
            .get, "/openapi.yaml",
            suspending: answeringAnyone(in: [.yaml]) { _ in contract.yaml })
        router.on(.get, "/openapi.json", suspending: answeringAnyone { _ in contract.json })
        return router
    }

    /// What answers a request of a caller, in a media type.
    private typealias Body =
        @Sendable (ServerRequest, MediaType, Principal) async throws(Problem) -> ServerResponse

    /// A handler for callers with one of these scopes, which answers in one of the offered media types.
    private func answering(
        _ scopes: [Scope], in offered: [MediaType], _ body: @escaping Body
    ) -> SuspendingHandler {
        negotiating(offered) { request throws(Problem) in
            try await caller(of: request, needing: scopes)
        } then: { request, type, caller throws(Problem) in
            try await body(request, type, caller)
        }
    }

    private func answering(
        _ scopes: [Scope], _ body: @escaping Action
    ) -> SuspendingHandler {
        answering(scopes, in: [.json]) { (request, _, caller) async throws(Problem) in
            try await body(request, caller)
        }
    }

    /// A handler for callers of whatever kind: probes have no token, and the contract is no secret.
    private func answeringAnyone(
        in offered: [MediaType] = [.json],
        _ body: @escaping @Sendable (ServerRequest) async throws(Problem) -> ServerResponse
    ) -> SuspendingHandler {
        negotiating(offered) { _ in
        } then: { (request, _, _: Void) async throws(Problem) in
            try await body(request)
        }
    }

    /// A handler that finds out who asks, then in what the answer can be, and then does what was asked.
    ///
    /// A caller who may not ask, or accepts none of the offered media types, is refused before anything
    /// is done.
    private func negotiating<Caller: Sendable>(
        _ offered: [MediaType],
        _ identify: @escaping @Sendable (ServerRequest) async throws(Problem) -> Caller,
        then body:
            @escaping @Sendable (ServerRequest, MediaType, Caller) async throws(Problem) ->
            ServerResponse
    ) -> SuspendingHandler {
        { request in
            var response: ServerResponse
            do throws(Problem) {
                let caller = try await identify(request)
                let type = try ContentNegotiation.choose(
                    accept: request.headerFields[.accept], from: offered)
                response = try await body(request, type, caller)
            } catch {
                response = ServerResponse(error)
            }
            if offered.count > 1 { response.headerFields[.vary] = "Accept" }
            // What is true now may be false in a moment; one with an entity tag can be asked about anew.
            response.headerFields[.cacheControl] =
                response.headerFields[.eTag] == nil ? "no-store" : "no-cache"
            return response
        }
    }

    /// The principal of a request, which has one of these scopes.
    @LoopActor
    func caller(of request: ServerRequest, needing scopes: [Scope]) throws(Problem) -> Principal {
        do throws(AccessDenial) {
            return try authorizer.caller(of: request, needing: scopes)
        } catch {
            throw Problem(error)
        }
    }

    /// The answer to what the HTTP server refuses by itself.
    package static func render(_ failure: ProtocolFailure) -> ServerResponse {
        ServerResponse(Problem(failure))
    }
}
