import FoundationEssentials
import Glibc

/// Free TCP ports on 127.0.0.1.
public enum LoopbackPort {
    /// A port that nobody listens on at this moment.
    ///
    /// It lies below the range that the system takes for outgoing connections. A port from that
    /// range may be lent to a client while the server that had it is restarting; worse, a client that
    /// knocks on its own free ephemeral port can be joined to itself by TCP, and then holds it.
    /// Another process may still take the port first: whoever listens on it tries again with another.
    public static func free() throws -> UInt16 {
        let ephemeral = FileManager.default.contents(
            atPath: "/proc/sys/net/ipv4/ip_local_port_range"
        ).flatMap {
            String(decoding: $0, as: UTF8.self).split(whereSeparator: \.isWhitespace).first
        }
        let upper = max(ephemeral.flatMap { UInt16($0) } ?? 32_768, 12_000)
        for _ in 0..<1_000 {
            let port = UInt16.random(in: 10_240..<upper)
            if isFree(port) { return port }
        }
        throw ClusterError.noFreePort
    }

    private static func isFree(_ port: UInt16) -> Bool {
        let type = Int32(bitPattern: SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let number = socket(AF_INET, type, 0)
        guard number >= 0 else { return false }
        let probe = Descriptor(adopting: number)
        // As the server does: connections of an earlier life in TIME_WAIT are no obstacle.
        var yes: Int32 = 1
        unsafe setsockopt(
            probe.number, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return unsafe withUnsafeBytes(of: &address) { bytes in
            guard let base = bytes.baseAddress else { return false }
            return unsafe bind(
                probe.number, base.assumingMemoryBound(to: sockaddr.self),
                socklen_t(bytes.count)) == 0
        }
    }
}
