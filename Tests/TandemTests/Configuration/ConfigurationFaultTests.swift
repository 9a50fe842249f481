import Testing

@testable import tandem

/// Every fault names its place, and what would be right there.
@Suite struct ConfigurationFaultTests {
    @Test func reportsAllFaultsWithTheirLines() throws {
        let faults = try ConfigurationText.faults(
            """
            listen: { port: 70000, hots: 127.0.0.1 }
            state: { conninfo: "dbname=tandem", readers: many }
            participants:
              - { name: Users, conninfo: "dbname=users" }
              - { name: orders }
            """)
        #expect(
            faults == [
                "line 2: state.readers: expected an integer from 1 to 64, got \"many\"",
                "line 4: participants.Users.name: \(Configuration.nameRule)",
                "line 5: participants.orders.conninfo: expected a libpq connection string such as "
                    + "\"host=db.internal dbname=users user=tandem\"",
                "line 1: listen.port: expected an integer from 0 to 65535, got \"70000\"",
                "line 1: listen.hots: unknown key; did you mean host?",
            ])
    }

    @Test(arguments: [
        ("listen: 3", "line 1: listen: expected keys and values"),
        ("limits: { bodyBytes: [1] }", "line 1: limits.bodyBytes: expected a single value"),
        (
            "log: { color: red }",
            "line 1: log.color: unknown key; expected one of level, format, repeatSeconds"
        ),
        (
            "log: { format: xml }",
            "line 1: log.format: expected one of text, json, got \"xml\""
        ),
        (
            "log: { repeatSeconds: 3601 }",
            "line 1: log.repeatSeconds: expected an integer from 0 to 3600, got \"3601\""
        ),
        (
            "metrics: { queueIntervalMilliseconds: 99 }",
            "line 1: metrics.queueIntervalMilliseconds: expected an integer from 100 to "
                + "86400000, got \"99\""
        ),
        (
            "log: { level: loud }",
            "line 1: log.level: expected one of trace, debug, info, notice, warning, error, "
                + "critical, got \"loud\""
        ),
        (
            "tracing: { endpoint: collector:4318 }",
            "line 1: tracing.endpoint: expected an address such as "
                + "http://127.0.0.1:4318/v1/traces, got \"collector:4318\""
        ),
        (
            "tracing: { sampleRatio: 2 }",
            "line 1: tracing.sampleRatio: expected a number from 0.0 to 1.0, got \"2\""
        ),
        (
            "console: on", "line 1: console: expected one of off, readOnly, full, got \"on\""
        ),
        (
            "allowUnauthenticated: yes",
            "line 1: allowUnauthenticated: expected true or false, got \"yes\""
        ),
        (
            "http: { hosts: tandem.internal }",
            "line 1: http.hosts: expected a list of single values"
        ),
        (
            "http: { hosts: [\"tandem:80\"] }",
            "line 1: http.hosts: expected names such as tandem.internal, without a port, got "
                + "\"tandem:80\""
        ),
        (
            "replica: { heartbeatSeconds: 5 }",
            "line 1: replica.leaseSeconds: expected at least three times heartbeatSeconds"
        ),
        (
            "transaction: {}",
            "line 1: transaction: unknown key; did you mean transactions?"
        ),
    ])
    func isNamed(text: String, fault: String) throws {
        #expect(try ConfigurationText.faults("\(text)\n\(ConfigurationText.least)") == [fault])
    }

    @Test(arguments: [
        ("- 5", "line 3: participants.1: expected keys and values"),
        ("- { conninfo: \"dbname=u\" }", "line 3: participants.1.name: the name is missing"),
        (
            "- { name: u, conninfo: \"dbname=u\" }\n  - { name: u, conninfo: \"dbname=u\" }",
            "line 4: participants.u.name: the name is used twice"
        ),
    ])
    func aParticipantsFaultIsNamed(text: String, fault: String) throws {
        let faults = try ConfigurationText.faults(
            "state: { conninfo: \"dbname=tandem\" }\nparticipants:\n  \(text)")
        #expect(faults.contains(fault))
    }

    @Test(arguments: [
        ("dbname=u hots=x", "it has an unknown keyword"), ("dbname", "a \"=\" is missing"),
        ("postgresql://db:geheim/users", "\"port\" must be a number from 1 to 65535"),
        ("sslmode=verify", "\"sslmode\" must be one of disable, allow, prefer"),
    ])
    func aConnectionStringsFaultIsNamed(text: String, reason: String) throws {
        let faults = try ConfigurationText.faults(
            """
            state: { conninfo: "dbname=tandem" }
            participants:
              - { name: users, conninfo: "\(text)" }
            """)
        let start = "line 3: participants.users.conninfo: invalid connection string: \(reason)"
        #expect(faults.count == 1)
        #expect(faults.first?.hasPrefix(start) == true, "\(faults)")
    }

    @Test(arguments: ["", "participants:", "participants: []"])
    func atLeastOneParticipantIsWanted(text: String) throws {
        let faults = try ConfigurationText.faults("state: { conninfo: \"dbname=t\" }\n\(text)")
        #expect(faults.count == 1)
        #expect(faults.first?.hasSuffix("participants: expected at least one participant") == true)
    }

    @Test(arguments: [
        "127.attacker.example", "127.0.0.1.attacker.example", "127.1", "[::1]", "256.0.0.1",
        "127.0.0.+1", "", "::1%lo", "1::2::3",
    ])
    func onlyAnAddressIsListenedOn(host: String) throws {
        let faults = try ConfigurationText.faults(
            "listen: { host: \"\(host)\" }\n\(ConfigurationText.least)")
        #expect(faults.count == 1)
        #expect(faults.first?.contains("expected an address such as 127.0.0.1 or ::1") == true)
    }

    @Test(arguments: [
        "0.0.0.0", "::", "10.0.0.1", "fe80::1", "::ffff:127.0.0.1", "126.255.255.255",
    ])
    func refusesToListenBeyondLoopbackWithoutConsent(host: String) throws {
        let open = "listen: { host: \"\(host)\" }\n\(ConfigurationText.least)"
        let unauthenticated =
            "set access.file to have callers show a token, or "
            + "allowUnauthenticated: true"
        let plain = "set listen.tls, or allowPlainText: true if the way is safe"
        func expect(_ text: String, _ parts: [String]) throws {
            let faults = try ConfigurationText.faults("\(text)\n\(open)")
            #expect(faults.count == parts.count, "\(faults)")
            for (fault, part) in zip(faults, parts) { #expect(fault.contains(part), "\(fault)") }
        }
        try expect("", [unauthenticated, plain])
        try expect("allowUnauthenticated: true", [plain])
        try expect("allowPlainText: true", [unauthenticated])
        try expect("access: { file: access.yaml }", [plain])
        try expect("access: { file: access.yaml }\nallowPlainText: true", [])
        try expect("allowUnauthenticated: true\nallowPlainText: true", [])
    }

    @Test(arguments: ["127.0.0.1", "127.9.9.9", "localhost", "::1", "0:0:0:0:0:0:0:1"])
    func listensOnLoopback(host: String) throws {
        let text = "listen: { host: \"\(host)\" }\n\(ConfigurationText.least)"
        #expect(try ConfigurationText.load(text).listen.isLoopback)
    }

    @Test func refusesAccessFileTogetherWithNone() throws {
        let faults = try ConfigurationText.faults(
            "allowUnauthenticated: true\naccess: { file: access.yaml }\n\(ConfigurationText.least)")
        #expect(faults.count == 1)
        #expect(faults.first?.contains("expected either access.file") == true)
    }

    @Test func faultInEnvironmentNamesVariable() throws {
        let faults = try ConfigurationText.faults(
            ConfigurationText.least, environment: ["TANDEM_LIMITS_BODY_BYTES": "lots"])
        #expect(
            faults == [
                "TANDEM_LIMITS_BODY_BYTES: expected an integer from 1024 to 268435456, got \"lots\""
            ])
    }

    @Test(arguments: [
        ("a: 1\na: 2", "these keys twice: a"), ("a: [", "line 2, column 1"),
        ("just a text", "expected keys and values"),
    ])
    func whatIsNoMappingIsRefused(text: String, part: String) throws {
        let faults = try ConfigurationText.faults(text)
        #expect(faults.count == 1)
        #expect(faults.first?.contains(part) == true)
    }

    @Test func reportsMissingFile() throws {
        let error = #expect(throws: ConfigurationFaults.self) {
            try Configuration.load(file: "/nowhere/tandem.yaml", environment: [:])
        }
        #expect(error?.description.contains("/nowhere/tandem.yaml") == true)
        #expect(error?.faults == ["the file cannot be read"])
    }
}
