import CLibpq
import CLinux
import EventLoop

/// Where and how to connect: libpq's keywords and values.
public struct ConnectionOptions: Sendable, CustomStringConvertible {
    private var values: [String: String]

    /// Reads a connection string, in either of libpq's forms.
    ///
    /// What it leaves out is taken from libpq's own environment variables and defaults.
    public init(conninfo: String) throws(PostgresError) {
        var message: UnsafeMutablePointer<CChar>?
        guard let parsed = PQconninfoParse(conninfo, &message) else {
            defer { PQfreemem(message) }
            let reason = message.map { String(cString: $0) } ?? "out of memory"
            throw .invalidConninfo(reason.split(separator: "\n").first.map(String.init) ?? reason)
        }
        defer { PQconninfoFree(parsed) }
        values = [
            "gssencmode": "disable", "keepalives": "1", "keepalives_idle": "10",
            "keepalives_interval": "5", "keepalives_count": "3", "tcp_user_timeout": "30000",
            "client_encoding": "UTF8", "application_name": "tandem",
        ]
        var option = parsed
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val {
                values[String(cString: keyword)] = String(cString: value)
            }
            option += 1
        }
    }

    /// A copy with these values instead; `options` are appended to those that are there.
    public func overriding(_ changes: [String: String]) throws(PostgresError) -> Self {
        var copy = self
        for (key, value) in changes {
            if key == "options", let present = values["options"] {
                copy.values[key] = present + " " + value
            } else {
                copy.values[key] = value
            }
        }
        return copy
    }

    /// A value by its keyword.
    public subscript(keyword: String) -> String? { values[keyword] }

    /// Every keyword but the password.
    public var description: String {
        values.keys.sorted().filter { !$0.contains("password") }
            .map { "\($0)=\(values[$0] ?? "")" }.joined(separator: " ")
    }

    /// The keywords and values, with host names resolved: libpq's own look-up would block.
    func resolved() async throws(PostgresError) -> [(String, String)] {
        var copy = values
        if values["hostaddr"] == nil, let hosts = values["host"] {
            var addresses: [String] = []
            for host in hosts.split(separator: ",", omittingEmptySubsequences: false) {
                addresses.append(try await Self.address(of: String(host)))
            }
            if addresses.contains(where: { !$0.isEmpty }) {
                copy["hostaddr"] = addresses.joined(separator: ",")
            }
        }
        return copy.keys.sorted().map { ($0, copy[$0] ?? "") }
    }

    /// The numeric address of a host name; empty for a socket's folder or for what is numeric.
    private static func address(of host: String) async throws(PostgresError) -> String {
        guard !host.isEmpty, !host.hasPrefix("/"), !host.hasPrefix("@") else { return "" }
        var address = in6_addr()
        if inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1 {
            return ""
        }
        let found = await BlockingCall.run { () -> String? in lookUp(host) }
        guard let found else { throw .unreachable("the host name \"\(host)\" is not known") }
        return found
    }

    private static func lookUp(_ host: String) -> String? {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0, let first = list else { return nil }
        defer { freeaddrinfo(list) }
        var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let result = getnameinfo(
            first.pointee.ai_addr, first.pointee.ai_addrlen, &name, socklen_t(name.count), nil, 0,
            NI_NUMERICHOST)
        guard result == 0 else { return nil }
        return String(
            decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
