import Foundation
import Glibc
import Testing

/// A pooler between clients and a PostgreSQL server, which lends a server's session for one
/// transaction at a time, as PgBouncer does with `pool_mode = transaction`.
///
/// It understands as much of the protocol as that takes: message frames, the Sync that ends a
/// client's turn, and the status in ReadyForQuery that says whether the transaction is over. A
/// thread a client; all of them end with their client's connection.
final class TransactionPooler: Sendable {
    let port: UInt16
    private let listener: Int32
    private let shared: Shared

    /// The server's sessions that nobody uses; the last one back is the first one lent.
    private final class Shared: @unchecked Sendable {
        // Unchecked: `idle` is touched under the lock only.
        private let lock = NSLock()
        private var idle: [Int32] = []
        let server: UInt16

        init(server: UInt16) { self.server = server }

        func takeIdle() -> Int32? { lock.withLock { idle.popLast() } }
        func giveBack(_ socket: Int32) { lock.withLock { idle.append(socket) } }

        deinit { for socket in idle { close(socket) } }
    }

    init(server: UInt16) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 16) == 0
                    && getsockname(listener, $0, &length) == 0
            }
        }
        try #require(isBound)
        port = UInt16(bigEndian: address.sin_port)
        let shared = Shared(server: server)
        self.shared = shared
        Thread.detachNewThread {
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                Thread.detachNewThread {
                    Self.serve(client, shared)
                    close(client)
                }
            }
        }
    }

    /// No more clients; those that are there end by themselves.
    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

    deinit { close(listener) }

    private static func serve(_ client: Int32, _ shared: Shared) {
        guard let startup = startupPacket(client) else { return }
        // A session of the client's own for its greeting, which is lent to anybody afterwards.
        guard let first = connected(to: shared.server) else { return }
        guard send(startup, to: first), let ready = relayTurn(from: first, to: client) else {
            close(first)
            return
        }
        // Before the client hears of it: it may ask again at once, by another connection.
        shared.giveBack(first)
        guard send(ready, to: client) else { return }
        var lent: Int32?
        while let turn = clientTurn(client) {
            guard let server = lent ?? shared.takeIdle() ?? opened(startup, shared) else { return }
            lent = server
            guard send(turn, to: server), let ready = relayTurn(from: server, to: client) else {
                close(server)
                return
            }
            if ready[5] == UInt8(ascii: "I") {
                shared.giveBack(server)
                lent = nil
            }
            guard send(ready, to: client) else { break }
        }
        if let lent { close(lent) }
    }

    /// A fresh session, whose greeting nobody reads.
    private static func opened(_ startup: [UInt8], _ shared: Shared) -> Int32? {
        guard let server = connected(to: shared.server) else { return nil }
        guard send(startup, to: server), relayTurn(from: server, to: nil) != nil else {
            close(server)
            return nil
        }
        return server
    }

    private static func startupPacket(_ client: Int32) -> [UInt8]? {
        guard let length = bytes(4, from: client), let rest = bytes(size(length) - 4, from: client)
        else { return nil }
        return length + rest
    }

    /// Everything up to the Sync; nil when the client says goodbye or is gone.
    private static func clientTurn(_ client: Int32) -> [UInt8]? {
        var turn: [UInt8] = []
        while let message = message(from: client) {
            if message[0] == UInt8(ascii: "X") { return nil }
            turn += message
            if message[0] == UInt8(ascii: "S") || message[0] == UInt8(ascii: "Q") { return turn }
        }
        return nil
    }

    /// Passes everything on before ReadyForQuery, and answers that, whose fifth byte is the status.
    private static func relayTurn(from server: Int32, to client: Int32?) -> [UInt8]? {
        while let message = message(from: server) {
            if message[0] == UInt8(ascii: "Z") { return message }
            if let client, !send(message, to: client) { return nil }
        }
        return nil
    }

    private static func message(from socket: Int32) -> [UInt8]? {
        guard let head = bytes(5, from: socket),
            let rest = bytes(size(head[1...]) - 4, from: socket)
        else { return nil }
        return head + rest
    }

    private static func size(_ bytes: some Collection<UInt8>) -> Int {
        bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
    }

    private static func bytes(_ count: Int, from socket: Int32) -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            var chunk = [UInt8](repeating: 0, count: count - bytes.count)
            let got = recv(socket, &chunk, chunk.count, 0)
            guard got > 0 else { return nil }
            bytes += chunk[..<got]
        }
        return bytes
    }

    private static func send(_ bytes: [UInt8], to socket: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { return false }
            rest = rest.dropFirst(sent)
        }
        return true
    }

    private static func connected(to port: UInt16) -> Int32? {
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(port)
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else {
            close(server)
            return nil
        }
        return server
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
