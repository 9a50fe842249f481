import CLibpq
import Glibc

/// The server and the user to connect with, in libpq's keywords.
///
/// Keywords that are not set come from libpq's environment variables and password file, with two
/// exceptions: `client_encoding` is always UTF8, and `service` is refused, since its lookup may block.
/// By default a dead peer is noticed within 25 s, and GSSAPI is not tried.
package struct ConnectionOptions: Hashable, Sendable {
    /// The values of keywords that neither the connection string nor the caller sets.
    ///
    /// `tcp_user_timeout` is in milliseconds, the others in seconds.
    private static let defaults = [
        "keepalives": "1", "keepalives_idle": "10", "keepalives_interval": "5",
        "keepalives_count": "3", "tcp_user_timeout": "25000", "gssencmode": "disable",
    ]

    private(set) var values: [String: String]

    /// Understands `key=value ...` and `postgresql://...`.
    ///
    /// - Parameters:
    ///   - policy: what the string may have; the caller's own overrides may have more.
    ///   - overrides: the values that replace those of the string, by keyword.
    package init(
        conninfo: String, allowing policy: ConninfoPolicy = .configuration,
        overriding overrides: [String: String] = [:]
    ) throws(PostgresError) {
        if conninfo.containsNUL { throw Self.hasNUL }
        try Self.check(overrides)
        values = try Self.parse(conninfo)
        try policy.check(values)
        try Self.checkValues(values)
        values.merge(overrides) { _, override in override }
        for (key, value) in Self.defaults where values[key] == nil {
            // The environment comes before our defaults.
            if key == "gssencmode", unsafe getenv("PGGSSENCMODE") != nil { continue }
            values[key] = value
        }
        values["client_encoding"] = "UTF8"
    }

    /// The value of a keyword, if it is set here.
    package subscript(key: String) -> String? { values[key] }

    /// The same with some keywords changed; `options` are added to those that are there.
    package func overriding(
        _ changes: [String: String]
    ) throws(PostgresError) -> ConnectionOptions {
        try Self.check(changes)
        var copy = self
        for (key, value) in changes {
            if key == "options", let present = values[key], !present.isEmpty {
                copy.values[key] = present + " " + value
            } else {
                copy.values[key] = value
            }
        }
        return copy
    }

    /// The same for one of the servers that it names.
    func at(host: String, address: String, port: String) -> ConnectionOptions {
        var copy = self
        copy.values["host"] = host
        copy.values["hostaddr"] = address
        copy.values["port"] = port
        return copy
    }

    /// The place of one server, for people.
    var place: String {
        let host = values["host"] ?? ""
        let address = values["hostaddr"] ?? ""
        let name = host.isEmpty ? address : address.isEmpty ? host : "\(host) (\(address))"
        return [name, values["port"] ?? ""].filter { !$0.isEmpty }.joined(separator: ":")
    }

    private static func check(_ overrides: [String: String]) throws(PostgresError) {
        let known = knownKeywords()
        if let unknown = overrides.keys.sorted().first(where: { !known.contains($0) }) {
            throw .invalidConninfo("invalid connection option \"\(unknown)\"")
        }
        if overrides["service"] != nil { throw noService }
        if overrides.values.contains(where: \.containsNUL) { throw hasNUL }
    }

    /// Refuses values that libpq would refuse only when it connects, without quoting them: in a malformed
    /// string, part of a password may be in their place.
    private static func checkValues(_ values: [String: String]) throws(PostgresError) {
        // One for each host; an empty one is the default.
        let ports = values["port"]?.split(separator: ",", omittingEmptySubsequences: false) ?? []
        let isPort = { (port: Substring) in
            port.isEmpty || Int(port).map { (1...65_535).contains($0) } == true
        }
        guard ports.allSatisfy(isPort) else {
            throw .invalidConninfo("\"port\" must be a number from 1 to 65535")
        }
        for (key, known) in words {
            guard let value = values[key], !known.contains(value) else { continue }
            throw .invalidConninfo("\"\(key)\" must be one of \(known.joined(separator: ", "))")
        }
        for key in wholeNumbers {
            guard let value = values[key], Int32(value) == nil else { continue }
            throw .invalidConninfo("\"\(key)\" must be a whole number")
        }
    }

    private static let words: [(key: String, known: [String])] = [
        ("sslmode", ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]),
        ("channel_binding", ["disable", "prefer", "require"]),
        ("gssencmode", ["disable", "prefer", "require"]),
    ]
    private static let wholeNumbers = [
        "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval",
        "keepalives_count", "tcp_user_timeout",
    ]

    private static let noService = PostgresError.invalidConninfo(
        "\"service\" is not supported: give host, port and dbname")
    private static let hasNUL = PostgresError.invalidConninfo("it contains a NUL character")

    private static func parse(_ conninfo: String) throws(PostgresError) -> [String: String] {
        var reason: UnsafeMutablePointer<CChar>?
        guard let options = unsafe PQconninfoParse(conninfo, &reason) else {
            defer { unsafe PQfreemem(reason) }
            throw unsafe .invalidConninfo(
                Self.withoutValues(reason.map { unsafe String(cString: $0) }))
        }
        defer { unsafe PQconninfoFree(options) }
        return unsafe Self.pairs(options)
    }

    /// The complaint of PQconninfoParse quotes parts of the string, and a password with a stray
    /// space in it is such a part.
    private static func withoutValues(_ reason: String?) -> String {
        guard let reason else { return "out of memory" }
        let line = reason.split(separator: "\n").first.map(String.init) ?? reason
        if line.hasPrefix("invalid connection option") { return "it has an unknown keyword" }
        if line.hasPrefix("missing \"=\"") { return "a \"=\" is missing" }
        guard let quote = line.firstIndex(of: "\"") else { return line }
        return line[..<quote] + "... (the rest is withheld, it may be part of a secret)"
    }

    private static func knownKeywords() -> Set<String> {
        guard let options = unsafe PQconndefaults() else { return [] }
        defer { unsafe PQconninfoFree(options) }
        var keywords: Set<String> = []
        var option = unsafe options
        while let keyword = unsafe option.pointee.keyword {
            unsafe keywords.insert(String(cString: keyword))
            unsafe option += 1
        }
        return keywords
    }

    /// The value that libpq uses for a keyword that is not set: from the environment, or built in.
    static func ambient(_ key: String) -> String? {
        guard let options = unsafe PQconndefaults() else { return nil }
        defer { unsafe PQconninfoFree(options) }
        return unsafe pairs(options)[key]
    }

    private static func pairs(
        _ options: UnsafeMutablePointer<PQconninfoOption>
    ) -> [String: String] {
        var values: [String: String] = [:]
        var option = unsafe options
        while let keyword = unsafe option.pointee.keyword {
            if let value = unsafe option.pointee.val {
                unsafe values[String(cString: keyword)] = String(cString: value)
            }
            unsafe option += 1
        }
        return values
    }
}

extension ConnectionOptions: CustomStringConvertible, CustomDebugStringConvertible {
    /// Host, port, database and user; never the password nor any other secret.
    package var description: String {
        ["host", "hostaddr", "port", "dbname", "user", "application_name"]
            .compactMap { key in values[key].map { "\(key)=\($0)" } }
            .joined(separator: " ")
    }

    /// The same as `description`.
    package var debugDescription: String { description }
}

extension ConnectionOptions: CustomReflectable {
    /// Shows what `description` shows, since `dump` would otherwise show the password.
    package var customMirror: Mirror { Mirror(self, children: ["options": description]) }
}
