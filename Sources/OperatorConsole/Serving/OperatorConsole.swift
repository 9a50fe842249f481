import AccessControl
import CommitProtocol
package import CoordinatorAPI
import EventLoop
package import HTTPServer
import HTTPTypes
package import TransactionEngine

package import struct CoordinatorAPI.Readiness

/// What operators may do on the console's pages.
package enum ConsoleMode: String, Sendable, CaseIterable {
    /// There is no console.
    case off
    /// Pages show everything, and offer no action.
    case readOnly
    /// Pages offer the actions of the interface.
    case full
}

/// The pages for operators, at `/`.
///
/// They are made on the server from what the engine says in the same process. They read alone: what
/// an operator does is sent to the REST interface by the page's script.
package struct OperatorConsole: Sendable {
    let engine: TransactionEngine
    let activity: RecentActivity
    private let changes: ChangeFeed
    let clock: any EngineClock
    let readiness: @Sendable () async -> Readiness
    /// What was found on the state database's server.
    let stateHazards: @Sendable () async -> HazardSurvey?
    let prepared: ParticipantReadings<PreparedReport>
    let waits: ParticipantReadings<[LockWaitReport]>
    let site: Layout.Site
    let authorizer: Authorizer
    let forwarded: ForwardedFields

    /// Makes the pages of a replica.
    package init(
        engine: TransactionEngine, observer: ConsoleObserver, clock: any EngineClock,
        replica: String, isReadOnly: Bool, authorizer: Authorizer, forwarded: ForwardedFields,
        readiness: @escaping @Sendable () async -> Readiness,
        stateHazards: @escaping @Sendable () async -> HazardSurvey?
    ) {
        self.authorizer = authorizer
        self.forwarded = forwarded
        self.engine = engine
        activity = observer.activity
        changes = observer.changes
        self.clock = clock
        self.readiness = readiness
        self.stateHazards = stateHazards
        prepared = ParticipantReadings(clock: clock) { name throws(ParticipantUnreachable) in
            try await engine.preparedTransactions(in: name)
        }
        waits = ParticipantReadings(clock: clock) { name throws(ParticipantUnreachable) in
            try await engine.waits(in: name)
        }
        site = Layout.Site(replica: replica, isReadOnly: isReadOnly, assets: Assets())
    }

    /// Adds the pages to a server's routes, and a page for what a browser asks for in vain.
    ///
    /// They are no part of the contract, openapi.yaml: programs are to use the interface.
    package func add(to router: inout Router) {
        router.on(.get, "/", suspending: page(.read, overview))
        router.on(.get, "/transactions", suspending: page(.read, transactions))
        router.on(.get, "/transactions/{id}", suspending: page(.read, transaction))
        router.on(.get, "/participants", suspending: page(.operate, participants))
        router.on(.get, "/participants/{name}", suspending: page(.operate, participant))
        router.on(.get, "/sign-in", suspending: showSignIn)
        router.on(.post, "/sign-in", suspending: signIn)
        router.on(.post, "/sign-out", suspending: signOut)
        router.on(.get, "/events", suspending: page(.operate, events))
        let assets = site.assets
        router.on(.get, "/assets/{digest}/{name}") { request, answer in
            let found = assets.response(
                digest: request.parameters["digest"], name: request.parameters["name"])
            answer(found ?? self.rendered(.notFound, at: self.now))
        }
        router.onUnknownPath { request in
            guard Self.isFromBrowser(request) else { return nil }
            return self.rendered(.notFound, at: self.now)
        }
    }

    /// The events that tell a page when to read itself anew.
    private func events(_ request: ServerRequest, _ site: Layout.Site) -> ServerResponse {
        guard let stream = changes.open() else {
            return ServerResponse(
                status: .serviceUnavailable, headerFields: [.retryAfter: "5"],
                body: Array("Too many pages are open (limits.consoleStreams).\n".utf8))
        }
        var response = ServerResponse(
            status: .ok,
            headerFields: [
                .contentType: "text/event-stream", .cacheControl: "no-store",
                .contentTypeOptions: "nosniff",
            ])
        response.stream = stream
        return response
    }

    var now: Moment { Moment(now: clock.wallTime) }

    /// Whether a person is likely to see the answer: the interface's clients ask for no HTML.
    private static func isFromBrowser(_ request: ServerRequest) -> Bool {
        !request.path.hasPrefix("/v1/")
            && request.headerFields[.accept]?.contains("text/html") ?? false
    }

    /// A handler of a page for visitors with this scope; others are asked for a token, or refused.
    private func page(
        _ scope: Scope,
        _ body:
            @escaping @Sendable (ServerRequest, Layout.Site) async throws(LogUnavailable) ->
            ServerResponse
    ) -> SuspendingHandler {
        { request in
            let site: Layout.Site
            do throws(AccessDenial) {
                site = try await self.site(for: request, needing: scope)
            } catch {
                return refusal(error, of: request)
            }
            do throws(LogUnavailable) {
                return try await body(request, site)
            } catch {
                return rendered(
                    .stateDatabase(error.reason), status: .serviceUnavailable, at: now, on: site)
            }
        }
    }

    /// The site as the sender of a request sees it.
    @LoopActor
    private func site(
        for request: ServerRequest, needing scope: Scope
    ) throws(AccessDenial) -> Layout.Site {
        var site = site
        site.visitor = try authorizer.caller(of: request, needing: [scope])
        site.isSignedIn = authorizer.isClosed
        if !site.visitor.may(.operate) { site.isReadOnly = true }
        return site
    }

    func rendered(
        _ page: ErrorPage, status: HTTPResponse.Status = .notFound, at moment: Moment,
        on site: Layout.Site? = nil
    ) -> ServerResponse {
        let layout = Layout(
            site: site ?? self.site, place: .error, title: page.title, moment: moment)
        return Self.response(status, layout.page { page.html })
    }

    /// A page as a response: nothing but this server's own files may be loaded or sent to from it.
    static func response(_ status: HTTPResponse.Status, _ body: [UInt8]) -> ServerResponse {
        ServerResponse(
            status: status,
            headerFields: [
                .contentType: "text/html; charset=utf-8",
                .cacheControl: "no-store",
                .contentSecurityPolicy: contentSecurityPolicy,
                .contentTypeOptions: "nosniff",
                // With `no-referrer` a browser says `Origin: null` to the console's own forms.
                .referrerPolicy: "same-origin",
                .openerPolicy: "same-origin",
                .resourcePolicy: "same-origin",
            ], body: body)
    }

    private static let contentSecurityPolicy = [
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'",
        "connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
    ].joined(separator: "; ")
}
