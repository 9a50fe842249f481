import Testing

@testable import HTTPServer

@Suite struct Starting {
    static func failure(_ configure: (inout ServerConfiguration) -> Void) -> String? {
        do {
            _ = try Site(configure: configure)
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test func reportsPortInUse() async throws {
        try await Site.serve { site in
            let message = Self.failure { $0.port = site.port }
            #expect(
                message == "cannot listen on 127.0.0.1:\(site.port): Address already in use")
        }
    }

    @Test func reportsAddressOfAnotherMachine() {
        let message = Self.failure { $0.host = "192.0.2.1" }
        #expect(message == "cannot listen on 192.0.2.1:0: Cannot assign requested address")
    }

    @Test(arguments: ["localhost", "", "[::1]", "127.0.0.1.", "127.1"])
    func refusesHostThatIsNoAddress(_ host: String) {
        let message = Self.failure { $0.host = host }
        #expect(
            message
                == "cannot listen on \"\(host)\": expected a numeric address such as 127.0.0.1 or ::1"
        )
    }

    @Test func freesPortWhenServerStops() async throws {
        let first = try Site()
        _ = await first.server.drain(within: .seconds(5))
        try await Site.serve(configure: { $0.port = first.port }) { second in
            #expect(second.port == first.port)
        }
    }
}
