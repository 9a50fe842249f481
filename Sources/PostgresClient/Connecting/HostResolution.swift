import Glibc

/// Turns host names into addresses, away from the loop.
///
/// libpq resolves names inside PQconnectPoll, which then blocks as long as the name service takes. Given `hostaddr` as well as `host`, it resolves nothing, and still uses the name to
/// verify certificates and to look up passwords.
enum HostResolution {
    /// One server to try: a name (or path, or address) and its address; without one libpq uses the host.
    private struct Target {
        var host: String
        var address: String
        var port: String

        var needsName: Bool { address.isEmpty && !HostResolution.isLiteral(host) }
    }

    /// The options for each server by itself, in the order in which they are tried; may block.
    ///
    /// A name with several addresses becomes several servers, as it would for libpq. A name that cannot
    /// be resolved is left out, unless no other host is left.
    static func servers(
        of options: ConnectionOptions
    ) throws(PostgresError) -> [ConnectionOptions] {
        guard let targets = targets(of: options) else { return [options] }
        var resolved: [Target] = []
        var failures: [String] = []
        for target in targets {
            guard target.needsName else {
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
        if options["load_balance_hosts"] == "random" { resolved.shuffle() }
        return resolved.map { options.at(host: $0.host, address: $0.address, port: $0.port) }
    }

    /// Whether a name service must be asked for an address.
    static func isNeeded(_ options: ConnectionOptions) -> Bool {
        targets(of: options)?.contains(where: \.needsName) ?? false
    }

    /// The hosts one by one; nil if the lists do not fit each other, which libpq explains better, or if libpq
    /// has to choose among them in two passes.
    private static func targets(of options: ConnectionOptions) -> [Target]? {
        func effective(_ key: String) -> [String] {
            split(options[key] ?? ConnectionOptions.ambient(key) ?? "")
        }
        guard options["target_session_attrs"] != "prefer-standby" else { return nil }
        let hosts = effective("host")
        let addresses = effective("hostaddr")
        let ports = effective("port")
        let count = max(hosts.count, addresses.count)
        func fits(_ list: [String]) -> Bool { list.count == count || list == [""] }
        guard fits(hosts), fits(addresses), fits(ports) || ports.count == 1 else { return nil }
        return (0..<count).map { index in
            func entry(_ list: [String]) -> String { list.count == 1 ? list[0] : list[index] }
            return Target(
                host: entry(hosts), address: entry(addresses), port: entry(ports))
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
