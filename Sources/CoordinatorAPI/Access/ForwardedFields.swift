package import HTTPServer

/// What a proxy in front of the server says of the connection to it.
///
/// Anybody can send these fields. They count if the configuration says that every request comes through
/// a proxy that sets them.
package struct ForwardedFields: Sendable {
    private let areTrusted: Bool
    private let isServedOverTLS: Bool

    /// Makes the rule of a server, which may speak TLS itself.
    package init(areTrusted: Bool, isServedOverTLS: Bool) {
        self.areTrusted = areTrusted
        self.isServedOverTLS = isServedOverTLS
    }

    /// The client's address: the last one that the proxy named, or else the connection's.
    package func address(of request: ServerRequest) -> String {
        let connection = request.peer?.description ?? "unknown"
        guard areTrusted, let list = request.headerFields[.forwardedFor] else { return connection }
        let last = list.split(separator: ",").last.map { $0.drop { $0 == " " } } ?? ""
        // No more than an address can be: it is written to logs.
        let isAddress = last.utf8.allSatisfy { byte in
            Character(Unicode.Scalar(byte)).isHexDigit || ".:[]".utf8.contains(byte)
        }
        return isAddress && (2...64).contains(last.utf8.count) ? String(last) : connection
    }

    /// Whether the client's connection is over TLS.
    package func isSecure(_ request: ServerRequest) -> Bool {
        isServedOverTLS
            || areTrusted && request.headerFields[.forwardedProto]?.lowercased() == "https"
    }
}

extension FieldName {
    package static let authorization = FieldName("Authorization")
    package static let cookie = FieldName("Cookie")
    package static let wwwAuthenticate = FieldName("WWW-Authenticate")
    static let forwardedFor = FieldName("X-Forwarded-For")
    static let forwardedProto = FieldName("X-Forwarded-Proto")
}
