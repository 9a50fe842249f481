import CommitProtocol
package import CoordinatorAPI
package import HTTPServer
import HTTPTypes
package import TransactionEngine

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
    let clock: any EngineClock
    let readiness: @Sendable () async -> Readiness
    let prepared: ParticipantReadings<PreparedReport>
    let waits: ParticipantReadings<[LockWaitReport]>
    let site: Layout.Site

    /// Makes the pages of a replica.
    package init(
        engine: TransactionEngine, activity: RecentActivity, clock: any EngineClock,
        replica: String, isReadOnly: Bool, readiness: @escaping @Sendable () async -> Readiness
    ) {
        self.engine = engine
        self.activity = activity
        self.clock = clock
        self.readiness = readiness
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
        router.on(.get, "/", suspending: page(overview))
        router.on(.get, "/transactions", suspending: page(transactions))
        router.on(.get, "/transactions/{id}", suspending: page(transaction))
        router.on(.get, "/participants", suspending: page(participants))
        router.on(.get, "/participants/{name}", suspending: page(participant))
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

    var now: Moment { Moment(now: clock.wallTime) }

    /// Whether a person is likely to see the answer: the interface's clients ask for no HTML.
    private static func isFromBrowser(_ request: ServerRequest) -> Bool {
        !request.path.hasPrefix("/v1/")
            && request.headerFields[.accept]?.contains("text/html") ?? false
    }

    private func page(
        _ body: @escaping @Sendable (ServerRequest) async throws(LogUnavailable) -> ServerResponse
    ) -> SuspendingHandler {
        { request in
            do throws(LogUnavailable) {
                return try await body(request)
            } catch {
                return rendered(
                    .stateDatabase(error.reason), status: .serviceUnavailable, at: now)
            }
        }
    }

    func rendered(
        _ page: ErrorPage, status: HTTPResponse.Status = .notFound, at moment: Moment
    ) -> ServerResponse {
        let layout = Layout(site: site, place: .error, title: page.title, moment: moment)
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
                .referrerPolicy: "no-referrer",
                .openerPolicy: "same-origin",
                .resourcePolicy: "same-origin",
            ], body: body)
    }

    private static let contentSecurityPolicy = [
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'",
        "connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
    ].joined(separator: "; ")
}
