import EventLoop
import Glibc
import Testing

@testable import HTTPServer

@Suite("TLS") struct Certificates {
    static let request = "GET /a HTTP/1.1\r\nHost: t\r\n\r\n"

    private func serve(
        _ certificate: ServerCertificate, configure: (inout ServerConfiguration) -> Void = { _ in },
        _ body: (Site) async throws -> Void
    ) async throws {
        try await Site.serve(
            configure: {
                $0.certificate = certificate
                configure(&$0)
            }, body)
    }

    private func certificate(_ pair: TestCertificate) throws -> ServerCertificate {
        try ServerCertificate(pair.certificate, key: pair.key)
    }

    @Test("a new certificate is shown from the next connection on; those that are open go on")
    func replaced() async throws {
        let shown = try certificate(TestCertificate("first"))
        try await serve(shown) { site in
            let next = TestCertificate("second")
            let seen = try await Client.with(port: site.port, over: .tls) { open in
                try open.send(Self.request)
                _ = try open.reply()
                try shown.replace(next.certificate, key: next.key)
                var second = try Client(port: site.port, over: .tls)
                defer { second.disconnect() }
                try open.send(Self.request)
                try second.send(Self.request)
                #expect(try open.reply()?.status == 200)
                #expect(try second.reply()?.status == 200)
                return (open.peerCertificate, second.peerCertificate)
            }
            #expect(!seen.0.isEmpty && !seen.1.isEmpty && seen.0 != seen.1)
        }
    }

    @Test("a certificate that cannot be used is refused, and the one before is shown")
    func refused() throws {
        let good = TestCertificate("good")
        let other = TestCertificate("other")
        let shown = try certificate(good)
        #expect(throws: CertificateError.self) {
            try shown.replace(good.certificate, key: other.key)
        }
        for wrong in [[], Array("no PEM".utf8), good.key] {
            #expect(throws: CertificateError.self) { try shown.replace(wrong, key: good.key) }
        }
        #expect(throws: CertificateError.self) { try shown.replace(good.certificate, key: []) }
        let expiration = try #require(ServerCertificate.expiration(of: good.certificate))
        #expect(abs(expiration - time(nil) - 86_400) < 600)
        #expect(ServerCertificate.expiration(of: []) == nil)
    }

    @Test(
        "versions before TLS 1.2 are refused",
        arguments: [
            ("NORMAL:-VERS-ALL:+VERS-TLS1.3", true), ("NORMAL:-VERS-ALL:+VERS-TLS1.2", true),
            ("NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT", false),
            ("NORMAL:-VERS-ALL:+VERS-TLS1.0:%COMPAT", false),
        ])
    func versions(_ priorities: String, isSpoken: Bool) async throws {
        try await serve(certificate(.shared)) { site in
            let isConnected = try await onThread {
                (try? Client(port: site.port, over: .tls, priorities: priorities).disconnect())
                    != nil
            }
            #expect(isConnected == isSpoken)
        }
    }

    @Test("plain HTTP gets no answer, and runs nothing")
    func plain() async throws {
        try await serve(certificate(.shared)) { site in
            try await Client.with(port: site.port, over: .plain) { client in
                try client.send(Self.request)
                try client.readToEnd()
            }
            #expect(site.requests.isEmpty)
        }
    }

    @Test("a handshake or a request that does not come whole in time is closed")
    func halfHandshake() async throws {
        try await serve(certificate(.shared), configure: { $0.headerTimeout = .seconds(1) }) {
            site in
            // The beginning of a ClientHello, and then nothing.
            try await Client.with(port: site.port, over: .plain) { client in
                try client.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])
                try client.readToEnd()
            }
            try await Client.with(port: site.port, over: .tls) { client in
                try client.send("GET / HTTP/1.1\r\n")
                #expect(try client.reply() == nil)
            }
            #expect(site.requests.isEmpty)
        }
    }
}
