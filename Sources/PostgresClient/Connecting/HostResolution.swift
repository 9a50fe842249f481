import Glibc

/// Turns host names into addresses, away from the loop.
///
/// libpq resolves names inside PQconnectPoll, which then blocks for as long as the name service
/// likes. Given `hostaddr` as well as `host`, it resolves nothing, and still uses the name to
/// verify certificates and to look up passwords.
enum HostResolution {
    /// One server to try: a name (or path, or address) and where it is.
    private struct Target {
        var host: String
        var address: String
        var port: String
    }

    /// What `options` says, with an address for every host name; runs where it may block.
    ///
    /// A name with several addresses becomes several entries, tried in order, as libpq itself
    /// would. A name that cannot be resolved is left out, unless no other host is left.
    static func resolve(_ options: ConnectionOptions) throws(PostgresError) -> ConnectionOptions {
        guard let targets = unresolved(options) else { return options }
        var resolved: [Target] = []
        var failures: [String] = []
        for target in targets {
            if isLiteral(target.host) {
                resolved.append(target)
                continue
            }
            switch addresses(of: target.host) {
            case .success(let addresses):
                for address in addresses {
                    resolved.append(
                        Target(host: target.host, address: address, port: target.port))
                }
            case .failure(let failure):
                failures.append("could not resolve \"\(target.host)\": \(failure.reason)")
            }
        }
        if resolved.isEmpty { throw .unreachable(failures.joined(separator: "; ")) }
        return options.at(
            hosts: resolved.map(\.host).joined(separator: ","),
            addresses: resolved.map(\.address).joined(separator: ","),
            ports: resolved.map(\.port).joined(separator: ","))
    }

    /// Whether there is a name that a name service has to be asked about.
    static func isNeeded(_ options: ConnectionOptions) -> Bool { unresolved(options) != nil }

    /// The hosts, if one of them is a name; nil also if host and port do not fit each other, which
    /// libpq explains better.
    private static func unresolved(_ options: ConnectionOptions) -> [Target]? {
        func effective(_ key: String) -> String {
            options[key] ?? ConnectionOptions.ambient(key) ?? ""
        }
        guard effective("hostaddr").isEmpty else { return nil }
        let hosts = split(effective("host"))
        let ports = split(effective("port"))
        guard ports.count == 1 || ports.count == hosts.count else { return nil }
        guard hosts.contains(where: { !isLiteral($0) }) else { return nil }
        return hosts.enumerated().map { index, host in
            // An empty address leaves libpq with the host: a path, or a literal address.
            Target(host: host, address: "", port: ports.count == 1 ? ports[0] : ports[index])
        }
    }

    private static func split(_ list: String) -> [String] {
        list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    /// Nothing, a socket's directory, or an address: no name service is asked.
    private static func isLiteral(_ host: String) -> Bool {
        if host.isEmpty || host.hasPrefix("/") || host.hasPrefix("@") { return true }
        var hints = unsafe addrinfo()
        unsafe hints.ai_flags = AI_NUMERICHOST
        var list: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, nil, &hints, &list) == 0 else { return false }
        unsafe freeaddrinfo(list)
        return true
    }

    private struct Failure: Error {
        var reason: String
    }

    private static func addresses(of host: String) -> Result<[String], Failure> {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, nil, &hints, &list)
        guard code == 0 else {
            let reason = unsafe gai_strerror(code).map { unsafe String(cString: $0) }
            return .failure(Failure(reason: reason ?? "error \(code)"))
        }
        defer { unsafe freeaddrinfo(list) }
        var addresses: [String] = []
        var entry = unsafe list
        while let current = unsafe entry {
            if let address = unsafe numericHost(current.pointee), !addresses.contains(address) {
                addresses.append(address)
            }
            unsafe entry = current.pointee.ai_next
        }
        return .success(addresses)
    }

    private static func numericHost(_ info: addrinfo) -> String? {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(NI_MAXHOST)) { buffer in
            guard let start = buffer.baseAddress else { return nil }
            let code = unsafe getnameinfo(
                info.ai_addr, info.ai_addrlen, start, socklen_t(buffer.count), nil, 0,
                NI_NUMERICHOST)
            return unsafe code == 0 ? String(cString: start) : nil
        }
    }
}
