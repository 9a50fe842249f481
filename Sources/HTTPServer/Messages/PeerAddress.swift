import CMicrohttpd
import Glibc

/// The address of the other end of a connection.
///
/// It is kept as it is, since only few requests ask for its text.
package struct PeerAddress: Sendable, Hashable, CustomStringConvertible {
    private enum Value: Hashable {
        case ipv4(UInt32)
        case ipv6(UInt64, UInt64)
    }

    private let value: Value

    /// Reads what libmicrohttpd keeps of a connection; nil if that is no internet address.
    init?(_ address: UnsafePointer<sockaddr>?) {
        guard let address = unsafe UnsafeRawPointer(address) else { return nil }
        switch Int32(unsafe address.loadUnaligned(as: sockaddr.self).sa_family) {
        case AF_INET:
            value = .ipv4(unsafe address.loadUnaligned(as: sockaddr_in.self).sin_addr.s_addr)
        case AF_INET6:
            let bytes = unsafe address.loadUnaligned(as: sockaddr_in6.self).sin6_addr
            value = unsafe withUnsafeBytes(of: bytes) { bytes in
                unsafe .ipv6(
                    bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self),
                    bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            }
        default: return nil
        }
    }

    package var description: String {
        switch value {
        case .ipv4(let address):
            return Self.dotted(address)
        case .ipv6(let high, let low):
            // An IPv4 address in IPv6's clothes: ten bytes 0, two bytes 255.
            if high == 0, low & 0xFFFF_FFFF == UInt64(UInt32(0xFFFF).bigEndian) {
                return Self.dotted(UInt32(truncatingIfNeeded: low >> 32))
            }
            var address = (high, low)
            var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            guard unsafe inet_ntop(AF_INET6, &address, &text, socklen_t(text.count)) != nil else {
                return "unknown"
            }
            return String(
                decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }

    /// Four numbers with dots between them, of an address in the order of the network.
    private static func dotted(_ address: UInt32) -> String {
        let number = UInt32(bigEndian: address)
        return [24, 16, 8, 0].map { "\(number >> UInt32($0) & 255)" }.joined(separator: ".")
    }
}
