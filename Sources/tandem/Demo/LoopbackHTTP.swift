import Foundation
import Glibc

/// A small HTTP/1.1 client for a server on this machine: one connection per request.
struct LoopbackHTTP: Sendable {
    struct Answer: Sendable {
        let status: Int
        let head: String
        let body: String
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    let port: UInt16
    /// How long to wait for data: the process at that port may never answer.
    var timeoutSeconds = 90
    /// A token to show with `get` and `post`.
    var token: String?

    private var authorization: [String] { token.map { ["Authorization: Bearer \($0)"] } ?? [] }

    func get(_ path: String) async throws -> Answer {
        let head = ["GET \(path) HTTP/1.1", "Host: 127.0.0.1", "Connection: close"] + authorization
        return try await send(head.joined(separator: "\r\n") + "\r\n\r\n")
    }

    func delete(_ path: String) async throws -> Answer {
        try await send("DELETE \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    }

    func post(
        _ path: String, _ body: String, key: String? = nil, fields: [String] = []
    ) async throws -> Answer {
        let head =
            [
                "POST \(path) HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json",
                "Content-Length: \(body.utf8.count)", "Connection: close",
            ] + authorization + fields + (key.map { ["Idempotency-Key: \"\($0)\""] } ?? [])
        return try await send(head.joined(separator: "\r\n") + "\r\n\r\n" + body)
    }

    func send(_ request: String) async throws -> Answer {
        let port = port
        let timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        let result = await onThread { exchange(port, request, timeout: timeout) }
        return try result.get()
    }
}

/// Runs blocking code on a thread of its own, so that any number of calls can block at once.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in
        Thread.detachNewThread { continuation.resume(returning: body()) }
    }
}

private func exchange(
    _ port: UInt16, _ request: String, timeout: timeval
) -> Result<LoopbackHTTP.Answer, LoopbackHTTP.Failure> {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard socket >= 0 else { return .failure(.init(description: "cannot open a socket")) }
    defer { close(socket) }
    var timeout = timeout
    setsockopt(
        socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let isConnected = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
    guard isConnected else {
        return .failure(.init(description: "nothing listens on 127.0.0.1:\(port)"))
    }
    var bytes = Array(request.utf8)
    while !bytes.isEmpty {
        let sent = Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        guard sent > 0 else { break }
        bytes.removeFirst(sent)
    }
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = recv(socket, &buffer, buffer.count, 0)
        if count < 0, errno == EAGAIN {
            return .failure(.init(description: "no answer in \(timeout.tv_sec) s"))
        }
        guard count > 0 else { break }
        answer.append(contentsOf: buffer[..<count])
    }
    return read(String(decoding: answer, as: UTF8.self))
}

private func read(_ text: String) -> Result<LoopbackHTTP.Answer, LoopbackHTTP.Failure> {
    guard let end = text.firstRange(of: "\r\n\r\n") else {
        return .failure(.init(description: "the server closed the connection without an answer"))
    }
    let head = String(text[..<end.lowerBound])
    let words = head.split(separator: " ", maxSplits: 2)
    guard words.count > 1, let status = Int(words[1]) else {
        return .failure(.init(description: "the answer is not HTTP"))
    }
    return .success(.init(status: status, head: head, body: String(text[end.upperBound...])))
}
