import EventLoop
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("Service managers")
struct ServiceManagerTests {
    @Test("a replica reports that it serves, reads its files again, and stops")
    func reportsStates() async throws {
        let folder = URL(fileURLWithPath: NSTemporaryDirectory())
            .appendingPathComponent("notify-\(UInt32.random(in: 0...UInt32.max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let abstract = "@tandem-tests-\(UInt64.random(in: 0...UInt64.max))"
        for name in [folder.appendingPathComponent("socket").path, abstract] {
            try await reportsStates(to: name)
        }
    }

    private func reportsStates(to name: String) async throws {
        let manager = try ManagerSocket(name)
        try await withTestbed { testbed in
            let sandbox = testbed.sandbox
            let replica = try await sandbox.startReplica(
                2, isQuiet: true, environment: ["NOTIFY_SOCKET": name])
            #expect(await manager.next() == "READY=1")
            replica.process.send(SIGHUP)
            #expect(await manager.next()?.hasPrefix("RELOADING=1\nMONOTONIC_USEC=") == true)
            #expect(await manager.next() == "READY=1")
            replica.process.send(SIGTERM)
            #expect(await manager.next() == "STOPPING=1")
            _ = await replica.process.exitStatus()
        }
    }

    @Test("a process that nobody manages reports nothing", arguments: [nil, "", "relative"])
    func needsName(name: String?) {
        #expect(ServiceManager(environment: name) == nil)
    }
}

/// The datagram socket on which a service manager hears of its services.
private final class ManagerSocket: Sendable {
    private let descriptor: Int32

    init(_ name: String) throws {
        descriptor = socket(AF_UNIX, Int32(bitPattern: SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = MemoryLayout<sa_family_t>.size + bytes.count
        let status = withUnsafePointer(to: &address) { [descriptor] pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(length))
            }
        }
        try #require(status == 0)
        // A replica that reports nothing must not hold the tests up for ever.
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// The next datagram; nil after a minute without one.
    func next() async -> String? {
        await BlockingCall.run { [descriptor] in
            var buffer = [UInt8](repeating: 0, count: 256)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
        }
    }
}
