import EventLoop
import HTTPTypes
import Testing

@testable import HTTPServer

/// Where a server can listen, and what it says of those who connect.
@Suite struct Listening {
    /// Whether this machine has a loopback address of IPv6.
    private static var hasIPv6: Bool {
        var configuration = ServerConfiguration()
        configuration.host = "::1"
        return (try? configuration.checkAddress()) != nil
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.255.255.254", true), ("::1", true), ("0:0:0:0:0:0:0:1", true),
        ("0.0.0.0", false), ("128.0.0.1", false), ("126.255.255.255", false), ("::", false),
        ("::2", false), ("1::1", false), ("::ffff:127.0.0.1", false), ("fe80::1", false),
    ])
    func knowsLoopback(_ text: String, _ isLoopback: Bool) throws {
        #expect(try #require(ListenAddress(text)).isLoopback == isLoopback)
    }

    @Test(arguments: ["", "localhost", "127.1", "[::1]", "::1%lo", "1.2.3.4.5", " 127.0.0.1"])
    func takesNumericAddressesAlone(_ text: String) {
        #expect(ListenAddress(text) == nil)
        var configuration = ServerConfiguration()
        configuration.host = text
        #expect(throws: ServerError.self) { try configuration.checkAddress() }
    }

    /// The client has IPv4, so it comes in through both kinds of address.
    @Test(.enabled(if: hasIPv6), arguments: ["127.0.0.1", "0.0.0.0", "::"])
    func saysWhoConnects(_ host: String) async throws {
        try await Site.serve(
            configure: { $0.host = host },
            handler: { ServerResponse(status: .ok, body: Array("\($0.peer as Any)".utf8)) }
        ) { site in
            let reply = try await Client.with(port: site.port) { client in
                try client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
                return try client.reply()?.body
            }
            #expect(reply == "Optional(127.0.0.1)")
        }
    }

    @Test(.enabled(if: hasIPv6)) func refusesWhereAnotherListens() async throws {
        try await Site.serve(configure: { $0.host = "::1" }) { site in
            var configuration = ServerConfiguration()
            configuration.host = "::1"
            configuration.port = site.port
            let error = #expect(throws: ServerError.self) { try configuration.checkAddress() }
            #expect(error?.description.hasPrefix("cannot listen on [::1]:\(site.port):") == true)
        }
    }
}
