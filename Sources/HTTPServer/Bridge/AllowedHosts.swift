import Glibc

/// The hosts that requests may be for.
///
/// A page of another site can have its own name resolve to this server's address (DNS rebinding). To
/// the browser, this server is then a part of that site, which may read every answer. What gives it
/// away is the name, which is in `Host`. An address as `Host` is never an attack of this kind: then the
/// browser itself was pointed at the address.
package struct AllowedHosts: Sendable {
    /// In lower case, without a port.
    private let names: Set<String>
    private let isLoopback: Bool

    /// Makes the rule of a server.
    ///
    /// - Parameters:
    ///   - names: Names that the server is reached by, without a port, in any case.
    ///   - isLoopback: Whether it listens on loopback, where nothing but loopback is a name of it
    ///     unless it is among `names`. Elsewhere every host is allowed if there are no names.
    package init(names: [String], isLoopback: Bool) {
        self.names = Set(names.map { $0.lowercased() })
        self.isLoopback = isLoopback
    }

    /// Whether a request may be for this host, which may have a port.
    func allows(_ authority: String) -> Bool {
        if !isLoopback, names.isEmpty { return true }
        let host = Self.host(of: authority.utf8)
        if let first = host.first, first == UInt8(ascii: "[") {
            return Self.isAddress6(host, ofLoopback: isLoopback)
        }
        if Self.isAddress4(host, ofLoopback: isLoopback) { return true }
        var name = String(decoding: host, as: UTF8.self).lowercased()
        // The dot of the root, which a browser leaves at the end.
        if name.hasSuffix(".") { name.removeLast() }
        return name == "localhost" || names.contains(name)
    }

    /// The host without its port; a port has a colon before it, which a name has not.
    private static func host(of authority: String.UTF8View) -> Substring.UTF8View {
        let end =
            authority.first == UInt8(ascii: "[")
            ? authority.firstIndex(of: UInt8(ascii: "]")).map(authority.index(after:))
            : authority.firstIndex(of: UInt8(ascii: ":"))
        return authority[..<(end ?? authority.endIndex)]
    }

    /// Whether it is four numbers with dots between them, and the first one 127 for loopback.
    private static func isAddress4(_ host: Substring.UTF8View, ofLoopback: Bool) -> Bool {
        var numbers = 0
        var number: Int?
        var first = 0
        for byte in host {
            if byte == UInt8(ascii: ".") {
                guard number != nil else { return false }
                number = nil
            } else {
                guard RequestTarget.isDigit(byte) else { return false }
                if number == nil { numbers += 1 }
                let value = (number ?? 0) * 10 + Int(byte - UInt8(ascii: "0"))
                guard value < 256 else { return false }
                number = value
                if numbers == 1 { first = value }
            }
        }
        return number != nil && numbers == 4 && (!ofLoopback || first == 127)
    }

    /// Whether it is an IPv6 address in brackets, and `::1` for loopback.
    private static func isAddress6(_ host: Substring.UTF8View, ofLoopback: Bool) -> Bool {
        var address = in6_addr()
        let text = String(decoding: host.dropFirst().dropLast(), as: UTF8.self)
        guard unsafe inet_pton(AF_INET6, text, &address) == 1 else { return false }
        guard ofLoopback else { return true }
        return unsafe withUnsafeBytes(of: address) { bytes in
            unsafe bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
        }
    }
}
