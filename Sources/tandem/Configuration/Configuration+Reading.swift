import CoordinatorAPI
import FoundationEssentials
import HTTPServer
import OperatorConsole
import PostgresClient

extension Configuration {
    /// Reads a file, if one is given, and the environment, which overrides it.
    ///
    /// Throws `ConfigurationFaults` with everything that is wrong.
    static func load(
        file: String?, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> Configuration {
        let findings = ConfigurationFindings(environment: ConfigurationEnvironment(environment))
        let node = ConfigurationDocument.read(file, findings: findings)
        var configuration: Configuration?
        if findings.faults.isEmpty {
            let root = ConfigurationSource(node, path: "", findings: findings)
            if root.isMapping { configuration = read(root) }
        }
        guard findings.faults.isEmpty, var configuration else {
            throw ConfigurationFaults(
                source: file ?? "the environment", faults: findings.faults)
        }
        configuration.warnings = findings.warnings + findings.environment.unknown()
        return configuration
    }

    private static func read(_ root: ConfigurationSource) -> Configuration? {
        let stateSource = root.section("state")
        let state = state(stateSource)
        let participants = participants(root)
        var placeholder = Configuration(
            state: state ?? State(connection: .placeholder), participants: participants)
        listen(root, &placeholder)
        sizes(root, &placeholder)
        times(root, &placeholder)
        tracing(root, &placeholder)
        webhook(root, &placeholder)
        let log = root.section("log")
        log.word(
            "level", of: ["trace", "debug", "info", "notice", "warning", "error", "critical"],
            into: &placeholder.log.level)
        log.word("format", of: ["text", "json"], into: &placeholder.log.format)
        log.integer("repeatSeconds", in: 0...3600, into: &placeholder.log.repeatSeconds)
        log.refuseUnknown()
        let metrics = root.section("metrics")
        metrics.integer(
            "queueIntervalMilliseconds", in: 100...86_400_000,
            into: &placeholder.metrics.queueIntervalMilliseconds)
        metrics.refuseUnknown()
        root.refuseUnknown()
        return state == nil ? nil : placeholder
    }

    private static func tls(_ source: ConfigurationSource) -> Configuration.TLS? {
        let files = (source.string("certificateFile"), source.string("keyFile"))
        source.refuseUnknown()
        guard let certificate = files.0, let key = files.1 else {
            if files != (nil, nil) {
                source.fault(
                    "expected the path of a PEM file",
                    key: files.0 == nil ? "certificateFile" : "keyFile")
            }
            return nil
        }
        return Configuration.TLS(certificateFile: certificate, keyFile: key)
    }

    private static func listen(_ root: ConfigurationSource, _ value: inout Configuration) {
        let listen = root.section("listen")
        if let host = listen.string("host") {
            value.listen.host = host == "localhost" ? "127.0.0.1" : host
        }
        listen.integer("port", in: 0...65_535, into: &value.listen.port)
        value.listen.tls = tls(listen.section("tls"))
        listen.refuseUnknown()
        root.flag("allowUnauthenticated", into: &value.allowUnauthenticated)
        root.flag("allowPlainText", into: &value.allowPlainText)
        let access = root.section("access")
        value.access.file = access.string("file")
        access.integer(
            "reloadMilliseconds", in: 100...3_600_000, into: &value.access.reloadMilliseconds)
        access.refuseUnknown()
        if value.access.file != nil, value.allowUnauthenticated {
            root.fault(
                "expected either access.file, which has every caller show a token, or this, got both",
                key: "allowUnauthenticated")
        }
        exposure(listen, value)
        var console = value.console.rawValue
        root.word("console", of: ConsoleMode.allCases.map(\.rawValue), into: &console)
        value.console = ConsoleMode(rawValue: console) ?? value.console
        let replica = root.section("replica")
        if let name = replica.string("name") {
            if !NameRules.isParticipant(name) { replica.fault(nameRule, key: "name") }
            value.replica.name = name
        }
        replica.integer("heartbeatSeconds", in: 1...60, into: &value.replica.heartbeatSeconds)
        replica.integer("leaseSeconds", in: 3...600, into: &value.replica.leaseSeconds)
        if value.replica.leaseSeconds < 3 * value.replica.heartbeatSeconds {
            replica.fault("expected at least three times heartbeatSeconds", key: "leaseSeconds")
        }
        replica.refuseUnknown()
    }

    /// Refuses to be reached from other machines unless that is safe, or wanted in so many words.
    private static func exposure(_ listen: ConfigurationSource, _ value: Configuration) {
        let host = value.listen.host
        guard ListenAddress(host) != nil else {
            return listen.fault(
                "expected an address such as 127.0.0.1 or ::1, or 0.0.0.0 or :: for all of this "
                    + "machine's, got \"\(host)\"", key: "host")
        }
        guard !value.listen.isLoopback else { return }
        if value.access.file == nil, !value.allowUnauthenticated {
            listen.fault(
                "\(host) is not a loopback address, and anybody who reaches it could run SQL; set "
                    + "access.file to have callers show a token, or allowUnauthenticated: true to "
                    + "listen there anyway", key: "host")
        }
        if value.listen.tls == nil, !value.allowPlainText {
            listen.fault(
                "\(host) is not a loopback address, and without TLS others on the way could read "
                    + "tokens and data; set listen.tls, or allowPlainText: true if the way is safe, "
                    + "for example through a proxy with TLS", key: "host")
        }
    }

    private static func state(_ source: ConfigurationSource) -> State? {
        let connection = connection(source)
        var state = State(connection: connection ?? .placeholder)
        source.integer("readers", in: 1...64, into: &state.readers)
        source.integer("timeoutMilliseconds", in: 100...600_000, into: &state.timeoutMilliseconds)
        source.flag("allowFsyncOff", into: &state.allowFsyncOff)
        source.flag("allowPrivilegedRole", into: &state.allowPrivilegedRole)
        source.flag("synchronouslyReplicated", into: &state.synchronouslyReplicated)
        source.refuseUnknown()
        return connection == nil ? nil : state
    }

    private static func participants(_ root: ConfigurationSource) -> [Participant] {
        let sources = root.list("participants", namedBy: "name", required: "conninfo")
        if sources.isEmpty { root.fault("expected at least one participant", key: "participants") }
        var seen: Set<String> = []
        return sources.compactMap { name, source in
            if !name.isEmpty, !NameRules.isParticipant(name) { source.fault(nameRule, key: "name") }
            if !name.isEmpty, !seen.insert(EnvironmentName.words(of: name)).inserted {
                source.fault("the name is used twice", key: "name")
            }
            let connection = connection(source)
            var value = Participant(name: name, connection: connection ?? .placeholder)
            source.integer("poolSize", in: 1...1000, into: &value.poolSize)
            var contended = -1
            source.integer("contendedSessions", in: 1...1000, into: &contended)
            value.contendedSessions = contended < 0 ? nil : contended
            source.integer("finishers", in: 1...100, into: &value.finishers)
            source.integer(
                "statementTimeoutMilliseconds", in: 0...86_400_000,
                into: &value.statementTimeoutMilliseconds)
            source.integer(
                "lockTimeoutMilliseconds", in: 0...86_400_000, into: &value.lockTimeoutMilliseconds)
            source.integer(
                "connectTimeoutMilliseconds", in: 100...600_000,
                into: &value.connectTimeoutMilliseconds)
            var slots = -1
            source.integer("preparedSlots", in: 1...100_000, into: &slots)
            value.preparedSlots = slots < 0 ? nil : slots
            source.flag("witness", into: &value.witness)
            source.flag("journal", into: &value.journal)
            source.flag("allowPrivilegedRole", into: &value.allowPrivilegedRole)
            source.refuseUnknown()
            return connection == nil ? nil : value
        }
    }

    private static func sizes(_ root: ConfigurationSource, _ value: inout Configuration) {
        let limits = root.section("limits")
        limits.integer("bodyBytes", in: 1024...268_435_456, into: &value.limits.bodyBytes)
        limits.integer("connections", in: 1...100_000, into: &value.limits.connections)
        limits.integer("inFlight", in: 1...100_000, into: &value.limits.inFlight)
        limits.integer("queued", in: 0...100_000, into: &value.limits.queued)
        limits.integer("committing", in: 0...100_000, into: &value.limits.committing)
        limits.integer("consoleStreams", in: 0...10_000, into: &value.limits.consoleStreams)
        limits.integer("timelines", in: 0...100_000, into: &value.limits.timelines)
        limits.integer("branches", in: 1...1000, into: &value.limits.branches)
        limits.integer(
            "statementsPerBranch", in: 1...10_000, into: &value.limits.statementsPerBranch)
        limits.integer("resultRows", in: 0...1_000_000, into: &value.limits.resultRows)
        limits.integer("resultBytes", in: 0...268_435_456, into: &value.limits.resultBytes)
        limits.integer(
            "storedResultBytes", in: 0...16_777_216, into: &value.limits.storedResultBytes)
        limits.integer("examinedRows", in: 200...1_000_000, into: &value.limits.examinedRows)
        limits.integer(
            "countedTransactions", in: 1...1_000_000, into: &value.limits.countedTransactions)
        limits.refuseUnknown()
    }

    private static func tracing(_ root: ConfigurationSource, _ value: inout Configuration) {
        let source = root.section("tracing")
        source.address(
            "endpoint", suchAs: "http://127.0.0.1:4318/v1/traces", into: &value.tracing.endpoint)
        source.number("sampleRatio", in: 0...1, into: &value.tracing.sampleRatio)
        source.integer("timeoutSeconds", in: 1...600, into: &value.tracing.timeoutSeconds)
        source.refuseUnknown()
    }

    private static func times(_ root: ConfigurationSource, _ value: inout Configuration) {
        let source = root.section("transactions")
        let day = 86_400_000
        source.integer(
            "defaultTimeoutMilliseconds", in: 1...day,
            into: &value.transactions.defaultTimeoutMilliseconds)
        source.integer(
            "maximumTimeoutMilliseconds", in: 1...day,
            into: &value.transactions.maximumTimeoutMilliseconds)
        source.integer(
            "defaultRetries", in: 0...WireLimits.retriesMax,
            into: &value.transactions.defaultRetries)
        source.word("returnAt", of: ["end", "decision"], into: &value.transactions.returnAt)
        source.integer(
            "finishWaitMilliseconds", in: 1...day, into: &value.transactions.finishWaitMilliseconds)
        source.integer(
            "recoveryIntervalMilliseconds", in: 50...day,
            into: &value.transactions.recoveryIntervalMilliseconds)
        source.integer(
            "scanIntervalMilliseconds", in: 50...day,
            into: &value.transactions.scanIntervalMilliseconds)
        source.integer(
            "hazardIntervalMilliseconds", in: 50...day,
            into: &value.transactions.hazardIntervalMilliseconds)
        source.integer(
            "orphanGraceSeconds", in: 1...86_400, into: &value.transactions.orphanGraceSeconds)
        source.integer("retentionHours", in: 1...87_600, into: &value.transactions.retentionHours)
        source.integer("retentionBatch", in: 1...10_000, into: &value.transactions.retentionBatch)
        if value.transactions.defaultTimeoutMilliseconds
            > value.transactions.maximumTimeoutMilliseconds
        {
            source.fault(
                "expected at most maximumTimeoutMilliseconds",
                key: "defaultTimeoutMilliseconds")
        }
        source.refuseUnknown()
        let http = root.section("http")
        value.http.hosts = http.strings("hosts") ?? []
        for host in value.http.hosts where !host.allSatisfy(isHostCharacter) || host.isEmpty {
            http.fault(
                "expected names such as tandem.internal, without a port, got \"\(host)\"",
                key: "hosts")
        }
        http.flag("trustForwarded", into: &value.http.trustForwarded)
        http.integer("headerTimeoutSeconds", in: 1...3600, into: &value.http.headerTimeoutSeconds)
        http.integer("bodyTimeoutSeconds", in: 1...3600, into: &value.http.bodyTimeoutSeconds)
        http.integer(
            "responseTimeoutSeconds", in: 1...3600, into: &value.http.responseTimeoutSeconds)
        http.refuseUnknown()
        let shutdown = root.section("shutdown")
        shutdown.integer("graceSeconds", in: 0...3600, into: &value.shutdownGraceSeconds)
        shutdown.refuseUnknown()
    }
}

extension Configuration {
    /// The rule that `NameRules.isParticipant` checks.
    static let nameRule =
        "expected 1 to 63 lower-case letters, digits and hyphens that begin with a letter"

    private static func isHostCharacter(_ character: Character) -> Bool {
        character.isASCII && (character.isLetter || character.isNumber || "-._".contains(character))
    }

}

extension ConnectionOptions {
    /// Takes the place of a faulty one until the faults are reported.
    fileprivate static var placeholder: ConnectionOptions {
        do {
            return try ConnectionOptions(conninfo: "")
        } catch {
            preconditionFailure("an empty connection string is valid")
        }
    }
}
