import Glibc

/// Where a server listens, and its bounds.
package struct ServerConfiguration: Sendable {
    /// A numeric address of IPv4 or IPv6; `::` stands for all of this machine's.
    package var host = "127.0.0.1"
    /// The port; 0 for any free one.
    package var port: UInt16 = 0
    /// What TLS connections are made with; nil for plain HTTP.
    package var certificate: ServerCertificate?
    /// The hosts that requests may be for; nil for all.
    package var allowedHosts: AllowedHosts?
    /// The largest body, in bytes.
    package var bodyBytesMax = 1_048_576
    /// A body over the limit is read and discarded up to this size, so that the response arrives; on
    /// a longer one the connection is closed.
    package var discardBytesMax = 8_388_608
    /// The largest request line and headers together, in bytes; twice that is a connection's memory.
    package var headerBytesMax = 16_384
    /// The longest request target, in bytes.
    package var targetBytesMax = 8_192
    /// The most header fields.
    package var headerCountMax = 100
    /// Connections at once; more wait in the listen queue.
    package var connectionsMax = 10_000
    /// From the connection or the response before to the end of the next request's headers.
    package var headerTimeout: Duration = .seconds(60)
    /// From the headers to the end of the body.
    package var bodyTimeout: Duration = .seconds(20)
    /// From the response's beginning to its end.
    package var responseTimeout: Duration = .seconds(20)

    package init() {}
}

/// Why a server could not start.
package enum ServerError: Error, Sendable, CustomStringConvertible {
    /// The host is no numeric address.
    case badAddress(String)
    /// The address could not be bound.
    case cannotListen(host: String, port: UInt16, reason: String)

    package var description: String {
        switch self {
        case .badAddress(let host):
            "cannot listen on \"\(host)\": expected a numeric address such as 127.0.0.1 or ::1"
        case .cannotListen(let host, let port, let reason):
            "cannot listen on \(host.contains(":") ? "[\(host)]" : host):\(port): \(reason)"
        }
    }
}

extension ServerConfiguration {
    /// Throws if a server could not listen here, without listening: for a caller that must not begin
    /// what a failed start would leave half done.
    package func checkAddress() throws(ServerError) {
        let address = try address()
        let type = Int32(bitPattern: SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let socket = Glibc.socket(address.family, type, 0)
        guard socket >= 0 else { throw cannotListen(errno) }
        defer { close(socket) }
        // libmicrohttpd sets it too; with it only a listening socket is in the way.
        var yes: Int32 = 1
        unsafe setsockopt(
            socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        let result = unsafe address.withSocketAddress(port: port) { unsafe bind(socket, $0, $1) }
        guard result == 0 else { throw cannotListen(errno) }
    }

    func address() throws(ServerError) -> ListenAddress {
        guard let address = ListenAddress(host) else { throw .badAddress(host) }
        return address
    }

    func cannotListen(_ code: Int32) -> ServerError {
        unsafe .cannotListen(
            host: host, port: port,
            reason: code == 0 ? "libmicrohttpd refused" : String(cString: strerror(code)))
    }
}
