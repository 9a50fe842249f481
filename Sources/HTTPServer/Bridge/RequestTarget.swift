/// The target of a request, in one of the forms of RFC 9112, section 3.2.
struct RequestTarget {
    /// The path; `*` is the server as a whole.
    let path: String
    /// The query without its question mark.
    let query: String?
    /// The host and port of the absolute form, which replace those in `Host`.
    let authority: String?

    /// Reads the target of a method.
    static func read(_ text: String, method: String) -> Result<RequestTarget, ProtocolFailure> {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            return .failure(
                .badRequest("expected a request target with every special byte percent-encoded"))
        }
        guard method != "CONNECT" else {
            guard !text.hasPrefix(":"), isAuthority(text), text.contains(":") else {
                return .failure(.badRequest("expected a host and a port as the target of CONNECT"))
            }
            return .failure(.notImplemented("CONNECT is for proxies, and this is none"))
        }
        if text.utf8.first == UInt8(ascii: "/") {
            return .success(RequestTarget(text[...], authority: nil))
        }
        if text == "*" {
            guard method == "OPTIONS" else {
                return .failure(.badRequest("expected the request target * with OPTIONS only"))
            }
            return .success(RequestTarget("*", authority: nil))
        }
        guard let start = startOfAuthority(text) else {
            return .failure(
                .badRequest(
                    "expected a request target that begins with a slash or is a URI of http or https"
                )
            )
        }
        let rest = text[start...]
        let end = rest.utf8.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") }
        let authority = rest[..<(end ?? rest.endIndex)]
        guard !authority.isEmpty, !authority.hasPrefix(":"), isAuthority(authority) else {
            return .failure(
                .badRequest(
                    "expected a host in the request target, with or without a port, and no user"))
        }
        let origin = rest[authority.endIndex...]
        // A proxy sends an asterisk for this; a client that sends it directly means the same.
        let isServer = origin.isEmpty && method == "OPTIONS"
        return .success(
            RequestTarget(
                isServer ? "*" : origin.hasPrefix("/") ? origin : "/" + origin,
                authority: String(authority)))
    }

    private init(_ origin: Substring, authority: String?) {
        let mark = origin.utf8.firstIndex(of: UInt8(ascii: "?"))
        path = String(origin[..<(mark ?? origin.endIndex)])
        query = mark.map { String(origin[origin.utf8.index(after: $0)...]) }
        self.authority = authority
    }

    /// Where the authority of an absolute form begins.
    ///
    /// A proxy that terminates TLS may leave the scheme https.
    private static func startOfAuthority(_ text: String) -> String.Index? {
        for scheme in ["http://", "https://"]
        where text.prefix(scheme.count).lowercased() == scheme {
            return text.index(text.startIndex, offsetBy: scheme.count)
        }
        return nil
    }

    /// Whether a text is a host with or without a port, as RFC 3986 writes them, and names no user.
    ///
    /// The host may be empty, as `Host` may.
    static func isAuthority(_ text: some StringProtocol) -> Bool {
        var rest = Substring(text).utf8
        if rest.first == UInt8(ascii: "[") {
            guard let end = rest.firstIndex(of: UInt8(ascii: "]")),
                rest[..<end].dropFirst().allSatisfy({ isHostByte($0) || $0 == UInt8(ascii: ":") })
            else { return false }
            rest = rest[rest.index(after: end)...]
        } else {
            rest = rest.drop(while: isHostByte)
        }
        guard let colon = rest.popFirst() else { return true }
        return colon == UInt8(ascii: ":") && rest.allSatisfy(isDigit)
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            || "-._~%!$&'()*+,;=".utf8.contains(byte)
    }

    static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
