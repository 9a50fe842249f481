import CommitProtocol
import Crypto
public import HTTPServer
import HTTPTypes
public import TransactionEngine

/// The interface's settings.
public struct APISettings: Sendable {
    /// The time to the decision where a request does not say.
    public var defaultTimeout: Duration = .seconds(10)
    /// The longest time to the decision that a request may ask for, in milliseconds.
    public var maximumTimeoutMilliseconds = 60_000
    /// Whether a commit is answered at its decision where the request does not say.
    public var returnsAtDecision = false
    /// Branches of one transaction, at most.
    public var branchesMax = 16
    /// Statements of one branch, at most.
    public var statementsPerBranchMax = 100

    /// The defaults.
    public init() {}
}

/// Whether this replica can serve.
public struct Readiness: Sendable {
    /// Why the state database is of no use now; nil if it is.
    public let stateFailure: StateFailure?
    /// The replica is stopping.
    public let isDraining: Bool
    /// Why nothing absent is believed, until an operator says otherwise; nil if that is not so.
    public let quarantineReason: String?

    /// Why the state database is of no use, in two ways of saying it.
    public struct StateFailure: Sendable {
        /// For everybody.
        public let sentence: String
        /// For operators, with the server's own words.
        public let description: String

        /// Makes it of its parts.
        public init(sentence: String, description: String) {
            self.sentence = sentence
            self.description = description
        }
    }

    /// Makes it of its parts.
    public init(
        stateFailure: StateFailure?, isDraining: Bool, quarantineReason: String? = nil
    ) {
        self.stateFailure = stateFailure
        self.isDraining = isDraining
        self.quarantineReason = quarantineReason
    }
}

/// The REST interface of a coordinator.
public struct CoordinatorAPI: Sendable {
    let engine: TransactionEngine
    let settings: APISettings
    let readiness: @Sendable () async -> Readiness
    let contract: Contract
    let limits: WireLimits
    /// Who begins transactions here: everybody, until callers can be told apart.
    ///
    /// Until then everybody sees all, also what programs and recovery have begun.
    let principal = "anonymous"

    /// Makes the interface over an engine.
    public init(
        engine: TransactionEngine, settings: APISettings,
        readiness: @escaping @Sendable () async -> Readiness
    ) {
        self.engine = engine
        self.settings = settings
        self.readiness = readiness
        contract = Contract()
        var limits = WireLimits()
        limits.branchesMax = settings.branchesMax
        limits.statementsPerBranchMax = settings.statementsPerBranchMax
        limits.timeoutMillisecondsMax = settings.maximumTimeoutMilliseconds
        self.limits = limits
    }

    /// Every route; the contract lists the same.
    public func router() -> Router {
        var router = Router(renderFailure: Self.render)
        router.on(.post, "/v1/transactions") { request in
            await answering(request) { (_) async throws(Problem) in try await post(request) }
        }
        router.on(.get, "/v1/transactions") { request in
            await answering(request, MediaType.ofTransactions) { (type) async throws(Problem) in
                try await list(request, as: type)
            }
        }
        router.on(.get, "/v1/transactions/{id}") { request in
            await answering(request, MediaType.ofTransactions) { (type) async throws(Problem) in
                try await show(request, as: type)
            }
        }
        router.on(.post, "/v1/transactions/{id}/rollback") { request in
            await answering(request) { (_) async throws(Problem) in try await rollBack(request) }
        }
        router.on(.post, "/v1/transactions/{id}/resolution") { request in
            await answering(request) { (_) async throws(Problem) in try await resolve(request) }
        }
        router.on(.get, "/v1/participants") { request in
            await answering(request) { (_) async throws(Problem) in
                try await listParticipants(request)
            }
        }
        router.on(.get, "/v1/participants/{name}") { request in
            await answering(request) { (_) async throws(Problem) in
                try await showParticipant(request)
            }
        }
        router.on(.get, "/livez") { request in
            await answering(request) { (_) async throws(Problem) in try showLiveness(request) }
        }
        router.on(.get, "/readyz") { request in
            await answering(request) { (_) async throws(Problem) in try await showReadiness(request)
            }
        }
        router.on(.get, "/openapi.yaml") { request in
            await answering(request, [.yaml]) { (_) async throws(Problem) in contract.yaml }
        }
        router.on(.get, "/openapi.json") { request in
            await answering(request) { (_) async throws(Problem) in contract.json }
        }
        return router
    }

    /// Answers in one of the media types on offer, and refuses before anything is done for a caller
    /// who takes none of them.
    private func answering(
        _ request: ServerRequest, _ offered: [MediaType] = [.json],
        _ body: (MediaType) async throws(Problem) -> ServerResponse
    ) async -> ServerResponse {
        var response: ServerResponse
        do throws(Problem) {
            response = try await body(
                ContentNegotiation.choose(
                    accept: request.headerFields[.accept], from: offered))
        } catch {
            response = Self.response(error)
        }
        if offered.count > 1 { response.headerFields[.vary] = "Accept" }
        return response
    }

    /// What the server itself has to answer, as a problem.
    public static func render(_ failure: ProtocolFailure) -> ServerResponse {
        switch failure {
        case .badRequest(let reason):
            response(Problem(.badHTTP, "The request is malformed: \(reason)."))
        case .bodyTooLarge(let limit):
            response(Problem(.bodyTooLarge, "The body may have \(limit) bytes at most."))
        case .targetTooLong(let limit):
            response(Problem(.uriTooLong, "The target may have \(limit) bytes at most."))
        case .headTooLarge(let limit):
            response(
                Problem(
                    .headersTooLarge,
                    "The target and the header fields may have \(limit) bytes at most."))
        case .tooManyHeaders(let limit):
            response(Problem(.headersTooLarge, "There may be \(limit) header fields at most."))
        case .expectationFailed:
            response(
                Problem(
                    .expectationFailed, "The only expectation that is met here is 100-continue."))
        case .notImplemented(let reason):
            response(Problem(.notImplemented, "The request cannot be served: \(reason)."))
        case .requestTimedOut:
            response(
                Problem(
                    .requestTimeout,
                    "The rest of the request did not arrive in time. Nothing was begun."))
        case .notFound:
            response(Problem(.notFound, "There is nothing at this path."))
        case .methodNotAllowed(let allowed):
            response(
                Problem(
                    .methodNotAllowed,
                    "This path takes \(allowed.joined(separator: ", ")) only."))
        case .stopping:
            response(
                Problem(
                    .outcomeUnknown,
                    "This replica stopped before the answer was there. If it was accepted, the "
                        + "next life ends it; look for it in the list of transactions."))
        }
    }

    static func response(_ problem: Problem) -> ServerResponse {
        response(problem.render(), status: problem.status, problem)
    }

    static func response(_ body: [UInt8], status: Int, _ problem: Problem) -> ServerResponse {
        var response = ServerResponse(
            status: .init(code: status), headerFields: problem.headerFields, body: body)
        response.headerFields[.contentType] = Problem.mediaType
        if let seconds = problem.retryAfterSeconds {
            response.headerFields[.retryAfter] = "\(seconds)"
        }
        if let location = problem.location { response.headerFields[.location] = location }
        return response
    }

    static func json(_ status: HTTPResponse.Status, _ body: [UInt8]) -> ServerResponse {
        ServerResponse(
            status: status, headerFields: [.contentType: MediaType.json.rawValue], body: body)
    }

    static func text(_ status: HTTPResponse.Status, _ body: [UInt8]) -> ServerResponse {
        ServerResponse(
            status: status, headerFields: [.contentType: MediaType.text.rawValue], body: body)
    }

    static func json(_ status: HTTPResponse.Status, _ text: String) -> ServerResponse {
        json(status, Array(text.utf8))
    }

    static func queryItems(
        _ request: ServerRequest
    ) throws(Problem) -> [(name: String, value: String)] {
        var items: [(name: String, value: String)] = []
        for part in (request.query ?? "").split(separator: "&") {
            let sides = part.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentEncoding.decode(sides[0]),
                let value = PercentEncoding.decode(sides.count > 1 ? sides[1] : "")
            else { throw Problem(.badHTTP, "The query's percent-encoding is broken.") }
            items.append((name, value))
        }
        return items
    }
}
