import Glibc

/// A numeric address that a server can listen on, of IPv4 or IPv6.
///
/// A host name is none: what it resolves to may change after it was checked.
package struct ListenAddress: Sendable {
    private let host: Host

    private enum Host {
        case ipv4(in_addr)
        case ipv6(in6_addr)
    }

    /// Reads an address such as `127.0.0.1` or `::1`, without brackets.
    package init?(_ text: String) {
        var ipv4 = in_addr()
        var ipv6 = in6_addr()
        if unsafe inet_pton(AF_INET, text, &ipv4) == 1 {
            host = .ipv4(ipv4)
        } else if unsafe inet_pton(AF_INET6, text, &ipv6) == 1 {
            host = .ipv6(ipv6)
        } else {
            return nil
        }
    }

    /// Whether programs on this machine alone can connect to it: `127.0.0.0/8`, or `::1`.
    package var isLoopback: Bool {
        switch host {
        case .ipv4(let address):
            return UInt32(bigEndian: address.s_addr) >> 24 == 127
        case .ipv6(let address):
            return unsafe withUnsafeBytes(of: address) { bytes in
                unsafe bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
            }
        }
    }

    var family: Int32 {
        switch host {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        }
    }

    /// Whether it is `::`, which stands for every address of IPv4 as well.
    var isEveryAddress: Bool {
        guard case .ipv6(let address) = host else { return false }
        return unsafe withUnsafeBytes(of: address) { bytes in
            unsafe bytes.allSatisfy { $0 == 0 }
        }
    }

    /// Calls a body with the address of a socket and its length.
    func withSocketAddress<Result>(
        port: UInt16, _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        switch host {
        case .ipv4(let address):
            var socket = sockaddr_in()
            socket.sin_family = sa_family_t(AF_INET)
            socket.sin_port = port.bigEndian
            socket.sin_addr = address
            return unsafe Self.with(&socket, body)
        case .ipv6(let address):
            var socket = sockaddr_in6()
            socket.sin6_family = sa_family_t(AF_INET6)
            socket.sin6_port = port.bigEndian
            socket.sin6_addr = address
            return unsafe Self.with(&socket, body)
        }
    }

    private static func with<Address, Result>(
        _ address: inout Address, _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<Address>.size))
            }
        }
    }
}
