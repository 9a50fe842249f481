import Glibc

/// A client that writes bytes as they are given, as no well-behaved library would.
///
/// Its calls block, so it is used on a thread of its own.
struct Client {
    enum Failure: Error {
        case system(String, Int32)
        case silence
        case broken(String)
    }

    private let socket: Int32
    private var buffer: [UInt8] = []
    /// The TLS session over the socket; nil for plain HTTP.
    private let session: ClientSession?

    /// Connects, with a handshake if `transport` has one.
    init(port: UInt16, over transport: Transport = .plain, priorities: String? = nil) throws {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.socket = socket
        guard socket >= 0 else { throw Failure.system("socket", errno) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            close(socket)
            throw Failure.system("connect", errno)
        }
        // Tests that compute may keep every thread of a busy machine for a minute.
        var patience = timeval(tv_sec: 600, tv_usec: 0)
        setsockopt(
            socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        session =
            transport == .tls ? try ClientSession.closing(socket, priorities: priorities) : nil
    }

    /// A client for the length of a closure, which runs on a thread of its own.
    static func with<Result: Sendable>(
        port: UInt16, over transport: Transport = .current,
        _ body: @escaping @Sendable (inout Client) throws -> Result
    ) async throws -> Result {
        try await onThread {
            var client = try Client(port: port, over: transport)
            defer { client.disconnect() }
            return try body(&client)
        }
    }

    /// The certificate that the server has shown, in DER; empty over plain TCP.
    var peerCertificate: [UInt8] { session?.peerCertificate ?? [] }

    func send(_ text: String) throws {
        try send(Array(text.utf8))
    }

    func send(_ bytes: [UInt8]) throws {
        if let session { return try session.send(bytes) }
        var sent = 0
        while sent < bytes.count {
            let result = bytes[sent...].withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard result > 0 else { throw Failure.system("send", errno) }
            sent += result
        }
    }

    func halfClose() {
        session?.halfClose()
        if session == nil { shutdown(socket, Int32(SHUT_WR)) }
    }

    func disconnect() {
        close(socket)
    }

    /// The next reply; nil if the server closed the connection instead.
    mutating func reply(toHead: Bool = false) throws -> Reply? {
        guard var reply = try head() else { return nil }
        guard !toHead, let length = reply["content-length"].flatMap(Int.init) else { return reply }
        while buffer.count < length {
            guard try fill() else { throw Failure.broken("the body is cut off") }
        }
        reply.body = String(decoding: buffer[..<length], as: UTF8.self)
        buffer.removeFirst(length)
        return reply
    }

    /// The next reply without its body.
    mutating func head() throws -> Reply? {
        var end = headEnd()
        while end == nil {
            guard try fill() else {
                guard buffer.isEmpty else {
                    let rest = String(decoding: buffer, as: UTF8.self)
                    throw Failure.broken("the head is cut off: \(rest)")
                }
                return nil
            }
            end = headEnd()
        }
        guard let end, let reply = Reply(head: String(decoding: buffer[..<end], as: UTF8.self))
        else { throw Failure.broken("the head is no HTTP") }
        buffer.removeFirst(end + 4)
        return reply
    }

    /// The next chunk of a chunked body; empty at its end, nil if it is cut off.
    mutating func chunk() throws -> String? {
        guard let size = try line().flatMap({ Int($0, radix: 16) }) else { return nil }
        while buffer.count < size + 2 {
            guard try fill() else { return nil }
        }
        let text = String(decoding: buffer[..<size], as: UTF8.self)
        buffer.removeFirst(size + 2)
        return text
    }

    private mutating func line() throws -> String? {
        var end: Int?
        while true {
            end = buffer.firstIndex(of: 13)
            if let end, buffer.count > end + 1 { break }
            guard try fill() else { return nil }
        }
        guard let end else { return nil }
        let text = String(decoding: buffer[..<end], as: UTF8.self)
        buffer.removeFirst(end + 2)
        return text
    }

    /// All replies until the server closes the connection.
    mutating func repliesToEnd() throws -> [Reply] {
        var replies: [Reply] = []
        while let reply = try reply() { replies.append(reply) }
        return replies
    }

    /// Waits until the server closes the connection.
    mutating func readToEnd() throws {
        while try fill() {}
    }

    private func headEnd() -> Int? {
        guard buffer.count >= 4 else { return nil }
        return (0...(buffer.count - 4)).first {
            buffer[$0..<($0 + 4)].elementsEqual([13, 10, 13, 10])
        }
    }

    /// Reads some bytes; false at the end, as which a reset counts as well.
    private mutating func fill() throws -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = try session?.receive(&chunk) ?? recv(socket, &chunk, chunk.count, 0)
        if count < 0 {
            if errno == ECONNRESET { return false }
            throw errno == EAGAIN ? Failure.silence : Failure.system("recv", errno)
        }
        buffer.append(contentsOf: chunk[..<count])
        return count > 0
    }
}

/// What came back.
struct Reply: Sendable {
    var status: Int
    var fields: [(name: String, value: String)] = []
    var body = ""

    init?(head: String) {
        let lines = head.split(separator: "\r\n")
        guard let first = lines.first, first.hasPrefix("HTTP/1."),
            let status = first.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else { return nil }
        self.status = status
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            fields.append((line[..<colon].lowercased(), String(value)))
        }
    }

    subscript(name: String) -> String? {
        fields.first { $0.name == name }?.value
    }
}

/// Runs what blocks on a thread of its own, so that it takes no thread of the tasks' pool.
func onThread<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        let work = Unmanaged.passRetained(
            Work { continuation.resume(with: Swift.Result(catching: body)) })
        var handle = pthread_t()
        let result = pthread_create(
            &handle, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Work>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, work.toOpaque())
        guard result == 0 else {
            work.release()
            continuation.resume(throwing: Client.Failure.system("pthread_create", result))
            return
        }
        pthread_detach(handle)
    }
}

private final class Work: Sendable {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) {
        self.run = run
    }
}
