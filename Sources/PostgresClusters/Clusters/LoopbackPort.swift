import FoundationEssentials
import Glibc

/// A TCP port of 127.0.0.1, kept for one server over all its restarts.
///
/// A look at what is free is worth little where many servers start side by side: between the look and
/// the server's own bind, and again while it restarts, another process may take the port. So a
/// socket stays bound to it, and never listens. The system lets a server bind beside it, since both
/// say `SO_REUSEADDR`, and lets nobody else reserve it.
public final class LoopbackPort: Sendable {
    /// The port's number.
    public let number: UInt16
    private let hold: Descriptor

    /// Reserves a port for as long as the returned object lives.
    ///
    /// It lies below the range that the system takes for outgoing connections. A port from that
    /// range may be lent to a client while the server that had it is restarting; worse, a client that
    /// knocks on its own free ephemeral port can be joined to itself by TCP, and then holds it.
    ///
    /// - Throws: `ClusterError.noFreePort`.
    public static func reserve() throws -> LoopbackPort {
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

    /// Whether a server listens on the port now.
    ///
    /// Without this question one that cannot listen there is easily taken for the one that does.
    public static func isTaken(_ number: UInt16) -> Bool {
        guard let socket = Self.socket() else { return false }
        // With it, only one that listens is in the way.
        return !Self.isReusable(socket) || !Self.bind(socket, number)
    }

    /// Nil if somebody has the port, holds it, or had connections on it just now.
    init?(reserving number: UInt16) {
        guard let socket = Self.socket() else { return nil }
        self.number = number
        hold = socket
        guard Self.bind(socket, number) else { return nil }
        // Not before: with it, the bind would have succeeded beside another reservation.
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
