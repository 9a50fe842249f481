package import AccessControl
import EventLoop
package import HTTPServer
import HTTPTypes

/// Says who sends a request, and whether it may.
package struct Authorizer: Sendable {
    private let gate: AccessGate
    private let audit: any AccessAudit
    private let forwarded: ForwardedFields

    /// Makes an authorizer that asks a gate and reports refusals.
    package init(_ gate: AccessGate, audit: any AccessAudit, forwarded: ForwardedFields) {
        self.gate = gate
        self.audit = audit
        self.forwarded = forwarded
    }

    /// Whether callers have to show a token.
    @LoopActor
    package var isClosed: Bool { gate.isClosed }

    /// The principal of a request, which has one of these scopes.
    @LoopActor
    package func caller(
        of request: ServerRequest, needing scopes: [Scope]
    ) throws(AccessDenial) -> Principal {
        do throws(AccessDenial) {
            let principal = try gate.principal {
                Credentials(
                    authorization: request.headerFields[.authorization],
                    cookie: request.headerFields[.cookie])
            }
            try principal.require(scopes)
            return principal
        } catch {
            throw refused(error, of: request)
        }
    }

    /// The principal of a token that the request has in its body.
    @LoopActor
    package func caller(
        with token: String, of request: ServerRequest
    ) throws(AccessDenial) -> Principal {
        do throws(AccessDenial) {
            return try gate.principal {
                Credentials.isToken(token) ? .token(token) : .malformed
            }
        } catch {
            throw refused(error, of: request)
        }
    }

    /// Reports a refusal, and returns it.
    @LoopActor
    func refused(_ denial: AccessDenial, of request: ServerRequest) -> AccessDenial {
        audit.refused(
            denial,
            of: AuditedRequest(
                subject: "\(request.method.rawValue) \(request.path)",
                address: forwarded.address(of: request)))
        return denial
    }

    /// Reports what an operator did by a request, and returns when that is recorded.
    func report(
        _ action: AuditEntry.Action, on subject: String, reason: String?, by caller: Principal,
        with request: ServerRequest, outcome: String
    ) async {
        await audit.acted(
            AuditEntry(
                actor: caller.name, action: action, subject: subject, reason: reason,
                address: forwarded.address(of: request), outcome: outcome))
    }
}

extension Problem {
    /// The answer to a request that is refused for who sent it.
    init(_ denial: AccessDenial) {
        switch denial {
        case .tokenMissing:
            self.init(
                .authenticationRequired,
                "Expected an Authorization header with a bearer token, got none.")
        case .tokenMalformed:
            self.init(
                .invalidToken,
                "Expected \"Bearer\" and a token in the Authorization header, got something else.")
        case .tokenUnknown:
            self.init(
                .invalidToken, "The token is not known here: it is wrong, or was revoked.")
        case .tokenExpired(let principal):
            self.init(
                .invalidToken, "The token of \(principal) has expired. Expected a newer one.")
        case .scopeMissing(let scopes, let principal):
            let names = scopes.map(\.rawValue)
            self.init(
                .forbidden,
                "Expected a token with the scope \(names.joined(separator: " or ")), which that of "
                    + "\(principal) has not.")
        case .participantNotAllowed(let name, let branch, let principal):
            self.init(
                .forbidden,
                "\(principal) may not run transactions in the participant \(name). Nothing was "
                    + "executed.")
            participant = name
            self.branch = branch
        }
        if let challenge = Self.challenge(of: denial) {
            headerFields[.wwwAuthenticate] = challenge
        }
    }

    /// The value of `WWW-Authenticate` (RFC 6750, section 3); nil if no other token would help.
    private static func challenge(of denial: AccessDenial) -> String? {
        let realm = "Bearer realm=\"tandem\""
        switch denial {
        case .tokenMissing: return realm
        case .tokenMalformed, .tokenUnknown: return realm + ", error=\"invalid_token\""
        case .tokenExpired:
            return realm + ", error=\"invalid_token\", error_description=\"the token has expired\""
        case .scopeMissing(let scopes, _):
            let scope = scopes.first.map { ", scope=\"\($0.rawValue)\"" } ?? ""
            return realm + ", error=\"insufficient_scope\"" + scope
        case .participantNotAllowed: return nil
        }
    }
}
