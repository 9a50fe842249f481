import AccessControl
import CoordinatorAPI
import EventLoop
import HTTPServer
import HTTPTypes

/// Signing in and out.
///
/// The cookie holds the token itself, so it works at every replica, and ends when the token does. No
/// script can read it (`HttpOnly`), and a browser sends it with no request of another site (`SameSite`).
/// A request of another port of this machine has the cookie, as cookies know no ports, and is refused for
/// its `Sec-Fetch-Site` or `Origin` if it would change anything.
extension OperatorConsole {
    func showSignIn(_ request: ServerRequest) async -> ServerResponse {
        let next = Self.nextPage(in: request.queryParameters)
        guard await authorizer.isClosed else { return Self.redirect(to: .overview) }
        return signInPage(.ok, next: next)
    }

    /// Takes the token of the form, and sets the cookie if it is good.
    func signIn(_ request: ServerRequest) async -> ServerResponse {
        let fields = ServerRequest.formFields(String(decoding: request.body, as: UTF8.self))
        let next = Self.nextPage(in: fields)
        // A token that was pasted may have blanks around it.
        let token = fields.first { $0.name == "token" }?.value ?? ""
        let pasted = token.filter { !$0.isWhitespace }
        do throws(AccessDenial) {
            _ = try await authorizer.caller(with: pasted, of: request)
        } catch {
            return signInPage(
                .unauthorized, next: next,
                refusal: error.isExpiry
                    ? "This token has expired." : "This token is not known here.")
        }
        guard await authorizer.isClosed else { return Self.redirect(to: .overview) }
        var response = Self.redirect(toPath: next)
        response.headerFields[.setCookie] = cookie(holding: pasted, for: request)
        return response
    }

    func signOut(_ request: ServerRequest) async -> ServerResponse {
        var response = Self.redirect(to: .signIn)
        response.headerFields[.setCookie] = cookie(holding: nil, for: request)
        return response
    }

    /// The answer to a visitor who may not see a page: the way in, or why there is none.
    func refusal(_ denial: AccessDenial, of request: ServerRequest) -> ServerResponse {
        if case .scopeMissing(let scopes, let principal) = denial {
            var site = site
            site.isSignedIn = true
            site.visitor = Principal(
                name: principal, scopes: Scopes([.read]), participants: .only([]))
            return rendered(.forbidden(scopes, principal), status: .forbidden, at: now, on: site)
        }
        let path = request.path + (request.query.map { "?" + $0 } ?? "")
        return Self.redirect(to: .signIn.with("next", path))
    }

    private func signInPage(
        _ status: HTTPResponse.Status, next: String, refusal: String? = nil
    ) -> ServerResponse {
        var site = site
        site.visitor = Principal(name: "", scopes: Scopes([]), participants: .only([]))
        site.isReadOnly = false
        let layout = Layout(site: site, place: .signIn, title: "Sign in", moment: now)
        let page = SignInPage(refusal: refusal, next: next)
        var response = Self.response(status, layout.page { page.html })
        if status == .unauthorized {
            response.headerFields[.wwwAuthenticate] = "Bearer realm=\"tandem\""
        }
        return response
    }

    /// The page to go to after signing in: one of this site, whatever the address says.
    private static func nextPage(in fields: [(name: String, value: String)]) -> String {
        let asked = fields.first { $0.name == "next" }?.value ?? ""
        let isOurs =
            ["/transactions", "/participants", "/?"].contains(where: asked.hasPrefix)
            && asked.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }
        return isOurs ? asked : Target.overview.text
    }

    /// A cookie that holds a token, or ends the one that does.
    private func cookie(holding token: String?, for request: ServerRequest) -> String {
        let attributes = "; Path=/; HttpOnly; SameSite=Strict"
        return Credentials.cookieName + "=" + (token ?? "") + attributes
            + (token == nil ? "; Max-Age=0" : "") + (forwarded.isSecure(request) ? "; Secure" : "")
    }

    static func redirect(to target: Target) -> ServerResponse { redirect(toPath: target.text) }

    private static func redirect(toPath path: String) -> ServerResponse {
        ServerResponse(
            status: .seeOther, headerFields: [.location: path, .cacheControl: "no-store"])
    }
}

extension AccessDenial {
    fileprivate var isExpiry: Bool {
        if case .tokenExpired = self { true } else { false }
    }
}

extension FieldName {
    static let setCookie = FieldName("Set-Cookie")
}
