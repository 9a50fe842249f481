import Foundation
import Glibc
import PostgresClusters
import PostgresTransactions
import Testing

@testable import tandem

@Suite("The listener's TLS")
struct ListenerTLSTests {
    /// A certificate for 127.0.0.1 that vouches for itself, and its key.
    private struct Pair {
        let folder: URL
        var certificate: String { folder.appending(path: "tls.crt").path }
        var key: String { folder.appending(path: "tls.key").path }

        func make() async throws {
            let made = try await PostgresClusters.Command(
                "/usr/bin/openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes",
                    "-days", "1", "-subj", "/CN=tandem", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-out", certificate, "-keyout", key,
                ]
            ).run()
            #expect(made.succeeded, "\(made.errors)")
        }
    }

    private func withPair(_ body: (Pair) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let pair = Pair(folder: folder)
        try await pair.make()
        try await body(pair)
    }

    /// What `/livez` answers to a client that trusts this certificate alone; nil if it trusts none.
    private func live(_ port: UInt16, trusting certificate: String) async throws -> String? {
        let answer = try await PostgresClusters.Command(
            "/usr/bin/curl",
            ["-sS", "--max-time", "60", "--cacert", certificate, "https://127.0.0.1:\(port)/livez"]
        ).run()
        return answer.succeeded ? answer.output : nil
    }

    private func until(_ what: String, _ isTrue: () async throws -> Bool) async throws {
        let limit = ContinuousClock.now + .seconds(120)
        while try await !isTrue() {
            guard ContinuousClock.now < limit else {
                Issue.record("expected that \(what)")
                return
            }
            // Another process offers no event to wait for.
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    @Test("a replica serves over TLS, and shows a new certificate after SIGHUP")
    func serves() async throws {
        try await withPair { pair in
            try await withTestbed { testbed in
                let port = testbed.replica.port
                await testbed.replica.stop()
                let replica = try await ChildReplica(
                    command: ["serve", "--config", testbed.sandbox.configurationFile(of: 1)],
                    port: port,
                    log: pair.folder.appending(path: "log").path,
                    environment: [
                        "TANDEM_LISTEN_TLS_CERTIFICATE_FILE": pair.certificate,
                        "TANDEM_LISTEN_TLS_KEY_FILE": pair.key,
                    ])
                try await until("it serves over TLS") {
                    try await live(port, trusting: pair.certificate) != nil
                }
                let first = pair.folder.appending(path: "first.crt")
                try FileManager.default.copyItem(atPath: pair.certificate, toPath: first.path)
                // A key that is none of the certificate's: what was shown is shown on.
                try Data("no key".utf8).write(to: URL(fileURLWithPath: pair.key))
                replica.process.send(SIGHUP)
                let log = pair.folder.appending(path: "log")
                try await until("it says that the files cannot be used") {
                    try String(contentsOf: log, encoding: .utf8).contains("is shown on")
                }
                #expect(try await live(port, trusting: first.path) != nil)
                try await pair.make()
                replica.process.send(SIGHUP)
                try await until("it shows the new certificate") {
                    try await live(port, trusting: pair.certificate) != nil
                }
                #expect(try await live(port, trusting: first.path) == nil)
                await replica.stop()
            }
        }
    }

    private func faults(_ tls: String) throws -> [String] {
        try ConfigurationText.faults(
            """
            listen: { tls: { \(tls) } }
            state: { conninfo: "dbname=tandem" }
            participants: [{ name: users, conninfo: "dbname=users" }]
            """)
    }

    @Test("files that are no certificate with its key are refused, before anything is begun")
    func refused() async throws {
        try await withPair { pair in
            let half = try faults("certificateFile: \(pair.certificate)")
            #expect(half == ["line 1: listen.tls.keyFile: expected the path of a PEM file"])
            func refusal(_ certificate: String, _ key: String) -> String {
                do {
                    _ = try CertificateFiles(.init(certificateFile: certificate, keyFile: key))
                    return "none"
                } catch {
                    return "\(error)"
                }
            }
            #expect(
                refusal(pair.certificate, pair.certificate)
                    .contains("no certificate with its key in PEM"))
            #expect(refusal("/nowhere", pair.key) == "the file /nowhere cannot be read")
            #expect(refusal(pair.certificate, pair.key) == "none")
        }
    }

    @Test("tandem check says until when the certificate is good, and that it is not")
    func checked() async throws {
        try await withPair { pair in
            var listen = Configuration.Listen()
            #expect(ListenerCheck(listen) == nil)
            listen.tls = .init(certificateFile: pair.certificate, keyFile: pair.key)
            // It is made for one day.
            #expect(ListenerCheck(listen)?.verdict == .warning)
            let before = ListenerCheck(listen, at: Date(timeIntervalSinceNow: -30 * 86_400))
            #expect(before?.verdict == .ok)
            let after = ListenerCheck(listen, at: Date(timeIntervalSinceNow: 2 * 86_400))
            #expect(after?.verdict == .failing)
            #expect(after?.detail.hasPrefix("the certificate expired") == true)
            listen.tls = .init(certificateFile: pair.certificate, keyFile: "/nowhere")
            #expect(ListenerCheck(listen)?.verdict == .failing)
        }
    }
}
