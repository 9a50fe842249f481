package import EventLoop

/// Finds the principal of each request.
///
/// Without a table it asks nobody who they are, and looks at no field: every caller is the principal
/// `anonymous`. With one, a request costs a hash of its token and a lookup.
@LoopActor
package final class AccessGate {
    private var table: AccessTable?
    /// Microseconds since 1970.
    private let wallTime: @Sendable () -> Int64

    /// Makes a gate with the table of an access file, if there is one.
    package nonisolated init(table: AccessTable?, wallTime: @escaping @Sendable () -> Int64) {
        self.table = table
        self.wallTime = wallTime
    }

    /// Whether callers have to show a token.
    package var isClosed: Bool { table != nil }

    /// Takes the table of a file that has changed; requests that are being answered go on.
    package func replace(with table: AccessTable) { self.table = table }

    /// The principal of a request that shows these credentials, which are read only if they count.
    package func principal(
        showing credentials: () -> Credentials
    ) throws(AccessDenial) -> Principal {
        guard let table else { return .anonymous }
        switch credentials() {
        case .none: throw .tokenMissing
        case .malformed: throw .tokenMalformed
        case .token(let token):
            guard let entry = table.entry(of: token) else { throw .tokenUnknown }
            guard wallTime() < entry.expiresAt else {
                throw .tokenExpired(principal: entry.principal.name)
            }
            return entry.principal
        }
    }
}

extension Principal {
    /// Throws unless it has one of these scopes.
    package func require(_ scopes: [Scope]) throws(AccessDenial) {
        guard scopes.contains(where: may) else {
            throw .scopeMissing(scopes, principal: name)
        }
    }
}
