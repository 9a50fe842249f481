import EventLoop
import Foundation
import Glibc
import Testing

/// A server on a port of this machine that answers one request after the other by a script.
final class ScriptedServer: Sendable {
    enum Answer: Sendable {
        /// The connection is closed without an answer, as if the replica had died.
        case closing
        case text(String)
        /// Nothing comes, until the caller gives up.
        case silence

        static func status(_ status: String, fields: [String] = [], body: String = "") -> Answer {
            let head =
                ["HTTP/1.1 \(status)", "Content-Length: \(body.utf8.count)", "Connection: close"]
                + fields
            return .text(head.joined(separator: "\r\n") + "\r\n\r\n" + body)
        }
    }

    private let listener: Int32
    private let port: UInt16
    private let received = Lock<[String]>([])

    /// After the script's end, requests get no answer.
    init(_ script: [Answer]) throws {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        try #require(socket >= 0)
        listener = socket
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && listen(socket, 16) == 0
                    && getsockname(socket, $0, &length) == 0
            }
        }
        try #require(isBound)
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [received] in
            var rest = script[...]
            while true {
                let connection = accept(socket, nil, nil)
                guard connection >= 0 else { break }
                let request = Self.read(connection)
                received.withLock { $0.append(request) }
                switch rest.popFirst() {
                case .text(let answer):
                    _ = send(connection, answer, answer.utf8.count, Int32(MSG_NOSIGNAL))
                case .silence:
                    var byte: UInt8 = 0
                    while recv(connection, &byte, 1, 0) > 0 {}
                case .closing, nil: break
                }
                close(connection)
            }
            close(socket)
        }
    }

    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    var url: String { "http://127.0.0.1:\(port)" }

    /// The requests so far.
    var requests: [String] { received.withLock { $0 } }

    /// Reads one request with its body, so that closing the connection resets nothing.
    private static func read(_ connection: Int32) -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let text = String(decoding: bytes, as: UTF8.self)
            if let head = text.firstRange(of: "\r\n\r\n") {
                let length = text.firstMatch(of: /(?i)content-length: (\d+)/)
                    .flatMap { Int($0.output.1) }
                if text[head.upperBound...].utf8.count >= length ?? 0 { return text }
            }
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return text }
            bytes += buffer[..<count]
        }
    }
}
