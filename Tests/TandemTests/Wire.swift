import Glibc
import Testing

@testable import tandem

/// A connection to a replica that sends bytes as they are given.
///
/// Its calls block, so they run outside the threads of tasks.
final class Wire: Sendable {
    private let socket: Int32

    init(port: UInt16) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var timeout = timeval(tv_sec: 90, tv_usec: 0)
        setsockopt(
            socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        try #require(isConnected)
    }

    deinit { close(socket) }

    /// A request of one transaction, as bytes.
    static func post(_ body: [UInt8], _ fields: [String] = []) -> [UInt8] {
        let head =
            [
                "POST /v1/transactions HTTP/1.1", "Host: localhost",
                "Content-Type: application/json",
                "Content-Length: \(body.count)",
            ] + fields
        return Array((head.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body
    }

    static func post(_ body: String, _ fields: [String] = []) -> [UInt8] {
        post(Array(body.utf8), fields)
    }

    /// Sends as much as the other side reads.
    func send(_ bytes: some Collection<UInt8>) async {
        let bytes = Array(bytes)
        let socket = socket
        await onThread {
            var rest = bytes[...]
            while !rest.isEmpty {
                let sent = rest.withUnsafeBytes {
                    Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard sent > 0 else { return }
                rest = rest.dropFirst(sent)
            }
        }
    }

    /// Says that nothing more will be sent; answers are still read.
    func halfClose() { shutdown(socket, Int32(SHUT_WR)) }

    /// Resets the connection, as a killed client does.
    func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            socket, SOL_SOCKET, SO_LINGER, &linger,
            socklen_t(MemoryLayout.size(ofValue: linger)))
        shutdown(socket, Int32(SHUT_RDWR))
    }

    /// Everything that comes until the server closes the connection; nil if it never does.
    func readToEnd() async -> String? {
        let socket = socket
        return await onThread {
            var answer: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = recv(socket, &buffer, buffer.count, 0)
                if count < 0, errno == EAGAIN { return nil }
                guard count > 0 else { return String(decoding: answer, as: UTF8.self) }
                answer.append(contentsOf: buffer[..<count])
            }
        }
    }
}
