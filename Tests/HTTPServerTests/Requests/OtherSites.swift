import EventLoop
import Testing

@testable import HTTPServer

/// Requests that a browser sends on behalf of pages that are not this server's.
@Suite struct OtherSites {
    /// Answers of a server that listens on loopback and may be reached as `tandem.internal`.
    private static func ask(
        _ requests: [String], names: [String] = ["Tandem.internal"], isLoopback: Bool = true
    ) async throws -> [Int?] {
        let answers = Lock<[Int?]>([])
        try await Site.serve(configure: {
            $0.allowedHosts = AllowedHosts(names: names, isLoopback: isLoopback)
        }) { site in
            for request in requests {
                let status = try await Client.with(port: site.port) { client in
                    try client.send(request)
                    return try client.reply()?.status
                }
                answers.withLock { $0.append(status) }
            }
        }
        return answers.withLock { $0 }
    }

    private static func post(_ fields: String..., host: String = "localhost:8080") -> String {
        let lines = ["POST /a HTTP/1.1", "Host: \(host)", "Content-Length: 0"] + fields
        return lines.joined(separator: "\r\n") + "\r\n\r\n"
    }

    @Test(arguments: [
        "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "sec-fetch-site: other",
        "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site",
        // The browser's word counts, whatever the origin says.
        "Sec-Fetch-Site: cross-site\r\nOrigin: http://localhost:8080",
        "Origin: http://attacker.example", "Origin: null", "Origin: http://localhost:8081",
        "Origin: http://localhost", "Origin: localhost:8080",
        "Origin: http://localhost:8080\r\nOrigin: http://attacker.example",
    ])
    func refusesChangesFromOtherSites(_ fields: String) async throws {
        let methods = ["POST", "PUT", "DELETE", "PATCH", "X-ANY"]
        let changing = methods.map { Self.post(fields).replacing("POST", with: $0) }
        #expect(try await Self.ask(changing) == methods.map { _ in 403 })
        // What changes nothing is answered: no other site can read it.
        let reading = Self.post(fields).replacing("POST", with: "GET")
        #expect(try await Self.ask([reading]) == [200])
    }

    @Test func servesItsOwnPagesAndPrograms() async throws {
        let requests = [
            Self.post(), Self.post("Sec-Fetch-Site: same-origin"),
            Self.post("Sec-Fetch-Site: none"),
            Self.post("Origin: http://localhost:8080"), Self.post("Origin: HTTP://LocalHost:8080"),
            Self.post("Origin: https://tandem.internal", host: "tandem.internal"),
            Self.post("Origin: https://tandem.internal", host: "tandem.internal:443"),
            Self.post("Origin: http://[::1]:80", host: "[::1]"),
        ]
        #expect(try await Self.ask(requests) == requests.map { _ in 200 })
    }

    @Test(arguments: [
        "attacker.example", "attacker.example:8080", "127.attacker.example", "127.0.0.1.nip.io",
        "localhost.attacker.example", "10.0.0.1", "[::2]", "[fe80::1]", "127.0.0", "127.0.0.256",
        "127.0.0.1.1", "", "0.0.0.0",
    ])
    func refusesOtherHostsOnLoopback(_ host: String) async throws {
        let requests = [
            "GET /a HTTP/1.1\r\nHost: \(host)\r\n\r\n",
            "GET http://\(host.isEmpty ? "x" : host)/a HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET http://localhost/a HTTP/1.1\r\nHost: \(host)\r\n\r\n",
            Self.post(host: host),
        ]
        #expect(try await Self.ask(requests) == requests.map { _ in 421 })
    }

    @Test(arguments: [
        "localhost", "LOCALHOST:1", "localhost.", "127.0.0.1", "127.9.8.7:8080", "[::1]",
        "[0:0:0:0:0:0:0:1]:8080", "tandem.internal", "TANDEM.INTERNAL:443",
    ])
    func servesItsHostsOnLoopback(_ host: String) async throws {
        #expect(try await Self.ask(["GET /a HTTP/1.1\r\nHost: \(host)\r\n\r\n"]) == [200])
    }

    /// HTTP/1.0 needs no `Host`, and every browser sends one.
    @Test func servesOldClientsWithoutHost() async throws {
        #expect(try await Self.ask(["GET /a HTTP/1.0\r\n\r\n"]) == [200])
    }

    @Test func servesAddressesAndNamesBeyondLoopback() async throws {
        func ask(_ host: String, names: [String]) async throws -> Int? {
            let request = "GET /a HTTP/1.1\r\nHost: \(host)\r\n\r\n"
            return try await Self.ask([request], names: names, isLoopback: false)[0]
        }
        #expect(try await ask("anything.example", names: []) == 200)
        for host in ["tandem.internal", "10.1.2.3:8080", "[fe80::1]", "localhost"] {
            #expect(try await ask(host, names: ["tandem.internal"]) == 200, "\(host)")
        }
        #expect(try await ask("attacker.example", names: ["tandem.internal"]) == 421)
    }
}
