import FoundationEssentials
import Glibc

/// A TCP port of 127.0.0.1 that stays reserved for one server over all its restarts.
///
/// Checking for a free port is not enough: before the server binds it, and while it restarts, another
/// process may take the port. So a socket stays bound to it and never listens. The server can bind as
/// well, since both use `SO_REUSEADDR`; no other process can reserve the port.
package final class LoopbackPort: Sendable {
    /// The port's number.
    package let number: UInt16
    private let hold: Descriptor

    /// Reserves a port for as long as the returned object exists.
    ///
    /// It lies below the ephemeral range. The system could give an ephemeral port to a client while
    /// its server restarts, and a client that connects to its own ephemeral port gets connected to
    /// itself.
    ///
    /// - Throws: `ClusterError.noFreePort`.
    package static func reserve() throws -> LoopbackPort {
        let ephemeral = FileManager.default.contents(
            atPath: "/proc/sys/net/ipv4/ip_local_port_range"
        ).flatMap {
            String(decoding: $0, as: UTF8.self).split(whereSeparator: \.isWhitespace).first
        }
        let upper = max(ephemeral.flatMap { UInt16($0) } ?? 32_768, 12_000)
        for _ in 0..<1_000 {
            if let port = LoopbackPort(reserving: .random(in: 10_240..<upper)) { return port }
        }
        throw ClusterError.noFreePort
    }

    /// Whether a server listens on the port now; it may be another than the expected one.
    package static func isTaken(_ number: UInt16) -> Bool {
        guard let socket = Self.socket() else { return false }
        // With `SO_REUSEADDR`, only a listening socket prevents the bind.
        return !Self.isReusable(socket) || !Self.bind(socket, number)
    }

    /// Nil if the port is in use, reserved, or had connections a moment ago.
    init?(reserving number: UInt16) {
        guard let socket = Self.socket() else { return nil }
        self.number = number
        hold = socket
        guard Self.bind(socket, number) else { return nil }
        // Only after the bind, which would otherwise succeed despite another reservation.
        guard Self.isReusable(socket) else { return nil }
    }

    private static func socket() -> Descriptor? {
        let type = Int32(bitPattern: SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let socket = Glibc.socket(AF_INET, type, 0)
        return socket < 0 ? nil : Descriptor(adopting: socket)
    }

    private static func bind(_ socket: Descriptor, _ number: UInt16) -> Bool {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = number.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return unsafe withUnsafeBytes(of: &address) { bytes in
            guard let base = bytes.baseAddress else { return false }
            return unsafe Glibc.bind(
                socket.number, base.assumingMemoryBound(to: sockaddr.self),
                socklen_t(bytes.count)) == 0
        }
    }

    private static func isReusable(_ socket: Descriptor) -> Bool {
        var yes: Int32 = 1
        let length = socklen_t(MemoryLayout<Int32>.size)
        return unsafe setsockopt(socket.number, SOL_SOCKET, SO_REUSEADDR, &yes, length) == 0
    }
}
