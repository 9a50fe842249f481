import Foundation

/// Where a replica is reached: an address of HTTP or HTTPS, perhaps with a path before the routes.
struct ServerAddress: Hashable, Sendable, CustomStringConvertible {
    /// The address without a slash at its end.
    let description: String

    /// A replica on this machine at the default port of `tandem serve`.
    static let local = ServerAddress(
        unchecked: "http://127.0.0.1:\(Configuration.Listen().port)")

    private init(unchecked text: String) { description = text }

    /// Reads an address; nil if it is none.
    init?(_ text: String) {
        guard let parts = URLComponents(string: text),
            let scheme = parts.scheme?.lowercased(), scheme == "http" || scheme == "https",
            let host = parts.host, !host.isEmpty, parts.user == nil, parts.password == nil,
            parts.query == nil, parts.fragment == nil
        else { return nil }
        var address = text
        while address.hasSuffix("/") { address.removeLast() }
        self.init(unchecked: address)
    }

    /// What an error says about a text that is no address.
    static func expectation(butGot text: String) -> String {
        "Expected an address such as http://127.0.0.1:8080, without a name, password or query, "
            + "got \"\(text)\"."
    }

    /// The URL of a path and a query under this address.
    func url(_ path: String, query: [(name: String, value: String)] = []) -> URL? {
        guard !query.isEmpty else { return URL(string: description + path) }
        let items = query.map { item in
            "\(Self.encode(item.name))=\(Self.encode(item.value))"
        }
        return URL(string: description + path + "?" + items.joined(separator: "&"))
    }

    /// Percent-encodes all but the characters that mean themselves everywhere (RFC 3986, 2.3).
    static func encode(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            let scalar = Unicode.Scalar(byte)
            if scalar.properties.isASCIIHexDigit
                || "ghijklmnopqrstuvwxyz".unicodeScalars.contains(scalar)
                || "GHIJKLMNOPQRSTUVWXYZ-._~".unicodeScalars.contains(scalar)
            {
                result.unicodeScalars.append(scalar)
            } else {
                result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }
}
