import Glibc

extension ServerConfiguration {
    /// Finds out whether a server could listen here, for those who have something to lose by a start
    /// that fails; nothing listens yet.
    public func examine() throws(ServerError) {
        var address = try address()
        let type = Int32(bitPattern: SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let socket = Glibc.socket(AF_INET, type, 0)
        guard socket >= 0 else { throw cannotListen(errno) }
        defer { close(socket) }
        // With it, as libmicrohttpd sets it, only one who listens is in the way.
        var yes: Int32 = 1
        unsafe setsockopt(
            socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        let result = unsafe withUnsafeBytes(of: &address) { bytes -> Int32 in
            guard let base = bytes.baseAddress else { return -1 }
            return unsafe bind(
                socket, base.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
        }
        guard result == 0 else { throw cannotListen(errno) }
    }

    func address() throws(ServerError) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        guard unsafe inet_pton(AF_INET, host, &address.sin_addr) == 1 else {
            throw .badAddress(host)
        }
        return address
    }

    func cannotListen(_ code: Int32) -> ServerError {
        unsafe .cannotListen(
            host: host, port: port,
            reason: code == 0 ? "libmicrohttpd refused" : String(cString: strerror(code)))
    }
}
