import Foundation
import Testing

@testable import tandem

/// The way into the console, and out of it.
@Suite struct SignInTests {
    private static func form(_ token: String, next: String = "") -> String {
        let encoded = next.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        return "token=\(token)&next=\(encoded)"
    }

    @Test("a token signs in, its cookie opens the pages, and signing out ends it")
    func signsInAndOut() async throws {
        try await withAccess { testbed, scene in
            func ask(
                _ line: String, _ fields: [String] = [], _ body: String = ""
            ) async throws -> Testbed.Answer {
                try await testbed.ask(line, as: .none, of: scene, fields: fields, body: body)
            }
            let turnedAway = try await ask("GET /participants/users?x=1")
            #expect(turnedAway.status == 303)
            let way = "/sign-in?next=%2Fparticipants%2Fusers%3Fx%3D1"
            #expect(turnedAway.field("location") == way)
            let page = try await ask("GET \(way)")
            #expect(page.status == 200)
            #expect(
                page.text.contains(#"name="next" type="hidden" value="/participants/users?x=1""#))
            // Nothing of the installation is on it.
            #expect(!page.text.contains("/transactions\""))

            let token = try #require(scene.tokens[.operate])
            let signedIn = try await ask(
                "POST /sign-in", [], Self.form(token, next: "/participants/users?x=1"))
            #expect(signedIn.status == 303)
            #expect(signedIn.field("location") == "/participants/users?x=1")
            #expect(
                signedIn.field("set-cookie")
                    == "tandem_token=\(token); Path=/; HttpOnly; SameSite=Strict")
            let home = try await ask("GET /", ["Cookie: tandem_token=\(token)"])
            #expect(home.status == 200)
            #expect(home.text.contains("Sign out"))
            #expect(home.text.contains("Signed in as ops"))
            #expect(!home.text.contains(token))

            let signedOut = try await ask("POST /sign-out", ["Cookie: tandem_token=\(token)"])
            #expect(signedOut.status == 303)
            #expect(signedOut.field("location") == "/sign-in")
            #expect(
                signedOut.field("set-cookie")
                    == "tandem_token=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
        }
    }

    @Test("a wrong or expired token does not sign in, and no other site is gone to")
    func refusesTokensAndSites() async throws {
        try await withAccess { testbed, scene in
            for (token, reason) in [
                ("", "not known"), ("%00%22", "not known"),
                (scene.tokens[.wrong] ?? "", "not known"),
                (scene.tokens[.expired] ?? "", "has expired"),
            ] {
                let answer = try await testbed.ask(
                    "POST /sign-in", as: .none, of: scene, body: Self.form(token))
                #expect(answer.status == 401)
                #expect(answer.text.contains(reason))
                #expect(answer.field("set-cookie") == nil)
                #expect(token.isEmpty || !answer.text.contains(token))
            }
            for next in [
                "https://attacker.example/", "//attacker.example", "/\\attacker.example", "x",
                "/transactions\r\nSet-Cookie: a=b", "/sign-out", "",
            ] {
                let answer = try await testbed.ask(
                    "POST /sign-in", as: .none, of: scene,
                    body: Self.form(scene.tokens[.run] ?? "", next: next))
                #expect(answer.status == 303)
                #expect(answer.field("location") == "/", "\(next)")
                #expect(answer.field("set-cookie")?.hasPrefix("tandem_token=tandem_") == true)
            }
        }
    }

    @Test("another site can neither sign a visitor in nor out, nor act with the cookie")
    func refusesOtherSites() async throws {
        try await withAccess { testbed, scene in
            let id = try await testbed.begin(as: .other, of: scene)
            for (line, body) in [
                ("POST /sign-in", Self.form(scene.tokens[.run] ?? "")), ("POST /sign-out", ""),
                ("POST /v1/transactions/\(id)/rollback", ""),
                ("POST /v1/transactions/\(id)/retry", ""),
            ] {
                for field in [
                    "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site",
                    "Origin: http://localhost:3000",
                ] {
                    let answer = try await testbed.ask(
                        line, as: .operate, of: scene, byCookie: true, fields: [field], body: body)
                    #expect(answer.status == 403)
                    #expect(answer.type == "/problems/other-site")
                    #expect(answer.field("set-cookie") == nil)
                }
            }
        }
    }

    @Test("principals without operate get pages without actions")
    func pagesAreReadOnly() async throws {
        try await withAccess { testbed, scene in
            let id = try await testbed.begin(as: .run, of: scene)
            let own = try await testbed.ask("GET /transactions/\(id)", as: .run, of: scene)
            #expect(own.text.contains("read only"))
            #expect(!own.text.contains("resolve-dialog"))
            #expect(!own.text.contains("href=\"/participants\""))
            let whole = try await testbed.ask("GET /transactions/\(id)", as: .operate, of: scene)
            #expect(!whole.text.contains("read only"))
            #expect(whole.text.contains("resolve-dialog"))
            #expect(whole.text.contains("href=\"/participants\""))
        }
    }

    @Test("the cookie is for TLS alone where a trusted proxy says that there is TLS")
    func cookieIsSecure() async throws {
        for isTrusted in [true, false] {
            try await withAccess(settings: ["http: { trustForwarded: \(isTrusted) }"]) {
                testbed, scene in
                let answer = try await testbed.ask(
                    "POST /sign-in", as: .none, of: scene,
                    fields: ["X-Forwarded-Proto: https", "X-Forwarded-For: 10.1.2.3, 10.9.8.7"],
                    body: Self.form(scene.tokens[.run] ?? ""))
                #expect(answer.field("set-cookie")?.hasSuffix("; Secure") == isTrusted)
                _ = try await testbed.ask(
                    "GET /v1/overview", as: .wrong, of: scene,
                    fields: ["X-Forwarded-For: 10.1.2.3, 10.9.8.7"])
                let log = testbed.log(of: 1)
                #expect(log.contains("address=10.9.8.7") == isTrusted)
                #expect(log.contains("address=127.0.0.1") == !isTrusted)
            }
        }
    }

    @Test("without an access file there is nothing to sign in to")
    func nobodySignsInWithoutFile() async throws {
        try await withTestbed { testbed in
            for line in ["GET /sign-in", "POST /sign-in"] {
                let answer = try await testbed.client.send(
                    "\(line) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                        + "Content-Length: 0\r\n\r\n")
                #expect(answer.status == 303)
                #expect(
                    answer.head.contains("Location: /\r\n") || answer.head.hasSuffix("Location: /"))
                #expect(!answer.head.contains("Set-Cookie"))
            }
            let page = try await testbed.client.get("/")
            #expect(!page.body.contains("Sign out"))
        }
    }
}
