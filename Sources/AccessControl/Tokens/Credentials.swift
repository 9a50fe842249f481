/// What a request shows to be taken for a principal.
package enum Credentials: Sendable, Hashable {
    /// Nothing.
    case none
    /// A token.
    case token(String)
    /// Something that is no token.
    case malformed

    /// The name of the cookie that holds a token, for the pages of the console.
    package static let cookieName = "tandem_token"
    /// The longest token that is looked at, in bytes.
    private static let tokenBytesMax = 512

    /// Reads the fields `Authorization` and `Cookie` of a request; the former counts if both are there.
    package init(authorization: String?, cookie: String?) {
        if let authorization {
            self = Self.read(authorization)
        } else if let token = cookie.flatMap(Self.token(inCookies:)) {
            self = Self.isToken(token) ? .token(String(token)) : .malformed
        } else {
            self = .none
        }
    }

    private static func read(_ authorization: String) -> Credentials {
        let parts = authorization.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer", isToken(parts[1]) else {
            return .malformed
        }
        return .token(String(parts[1]))
    }

    /// The characters of a token in RFC 6750, section 2.1.
    package static func isToken(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.count <= tokenBytesMax
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "-._~+/=".utf8.contains(byte)
                }
            }
    }

    /// The token among cookies; several fields were joined by commas, which no cookie of ours has.
    private static func token(inCookies cookies: String) -> Substring? {
        for cookie in cookies.split(whereSeparator: { $0 == ";" || $0 == "," }) {
            let pair = cookie.drop { $0 == " " }
            guard pair.hasPrefix(cookieName + "=") else { continue }
            return pair.dropFirst(cookieName.count + 1)
        }
        return nil
    }
}
