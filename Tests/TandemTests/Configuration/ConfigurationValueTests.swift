import FoundationEssentials
import PostgresClient
import PostgresTransactions
import Testing
import TransactionEngine

@testable import tandem

@Suite struct ConfigurationValueTests {
    @Test func fillsInDefaults() throws {
        let configuration = try ConfigurationText.load(ConfigurationText.least)
        #expect(configuration.listen.host == "127.0.0.1")
        #expect(configuration.listen.port == 8080)
        #expect(!configuration.allowUnauthenticated)
        #expect(configuration.participants.map(\.name) == ["users"])
        #expect(configuration.participants.first?.poolSize == 12)
        #expect(configuration.warnings.isEmpty)
    }

    /// The example says that what is commented out in it are the defaults.
    ///
    /// A remark that is nothing but a key and one value is such a line; the others are prose.
    @Test func exampleIsValidAndShowsDefaults() throws {
        let example = try String(
            contentsOf: URL(filePath: #filePath).deletingLastPathComponent()
                .appending(path: "../../../tandem.example.yaml"), encoding: .utf8)
        let shown = example.split(separator: "\n")
            .filter { !$0.contains("passwordFile") }
            .map { $0.replacing(/^( *)# ?( *[a-zA-Z]+:( [^ ]+)?)( +#.*)?$/) { "\($0.1)\($0.2)" } }
            .filter { !$0.contains("allow") && !$0.contains("preparedSlots") }
            .filter { !$0.contains("contendedSessions") }
            .joined(separator: "\n")
        #expect(shown != example)
        let written = try ConfigurationText.load(shown)
        #expect(written.warnings.isEmpty)
        let defaults = try ConfigurationText.load(ConfigurationText.least)
        for part in [\Configuration.listenText, \.limitsText, \.transactionsText, \.restText] {
            #expect(written[keyPath: part] == defaults[keyPath: part])
        }
    }

    @Test(arguments: ["", "~", "null"])
    func aKeyWithoutAValueIsNotGiven(_ nothing: String) throws {
        let configuration = try ConfigurationText.load(
            """
            state: { conninfo: "host=127.0.0.1 dbname=tandem" }
            listen: \(nothing)
            participants:
              - name: users
                conninfo: "host=127.0.0.1 dbname=users password=kept"
                password: \(nothing)
                passwordFile: \(nothing)
                poolSize: \(nothing)
            """)
        #expect(configuration.listen.port == 8080)
        #expect(configuration.participants.first?.connection["password"] == "kept")
        #expect(configuration.participants.first?.poolSize == 12)
    }

    @Test func environmentOverridesFile() throws {
        let configuration = try ConfigurationText.load(
            "listen: { port: 1 }\n\(ConfigurationText.least)",
            environment: [
                "TANDEM_LISTEN_PORT": "2", "TANDEM_PARTICIPANTS_USERS_POOL_SIZE": "3",
                "TANDEM_LOG_LEVEL": "",
            ])
        #expect(configuration.listen.port == 2)
        #expect(configuration.participants.first?.poolSize == 3)
        #expect(configuration.log.level == "info")
    }

    @Test(arguments: [1: 1, 2: 1, 3: 1, 12: 6])
    func contendedTransactionsMayUseHalfOfTheSessions(poolSize: Int, half: Int) throws {
        let size = ["TANDEM_PARTICIPANTS_USERS_POOL_SIZE": "\(poolSize)"]
        let given = ["TANDEM_PARTICIPANTS_USERS_CONTENDED_SESSIONS": "3"]
        func limit(_ environment: [String: String]) throws -> Int? {
            try ConfigurationText.load(ConfigurationText.least, environment: environment)
                .participantOptions.first?.contendedSessionsMax
        }
        #expect(try limit(size) == half)
        #expect(try limit(size.merging(given) { $1 }) == 3)
    }

    @Test func boundsWhatIsRead() throws {
        let defaults = try ConfigurationText.load(ConfigurationText.least).engineLimits
        #expect(defaults.examinedMax == 5000)
        #expect(defaults.queueCountMax == 10_000)
        let limits = "limits: { examinedRows: 300, countedTransactions: 7 }\n"
        let given = try ConfigurationText.load(limits + ConfigurationText.least).engineLimits
        #expect(given.examinedMax == 300)
        #expect(given.queueCountMax == 7)
    }

    @Test(arguments: [[:], ["TANDEM_HTTP_HOSTS": "a.internal, b.internal"]])
    func readsLists(_ environment: [String: String]) throws {
        let text = "http: { hosts: [a.internal, b.internal] }\n\(ConfigurationText.least)"
        let read = try ConfigurationText.load(
            environment.isEmpty ? text : ConfigurationText.least, environment: environment)
        #expect(read.http.hosts == ["a.internal", "b.internal"])
    }

    @Test func readsEnvironmentWithoutFile() throws {
        let configuration = try Configuration.load(
            file: nil,
            environment: [
                "TANDEM_STATE_CONNINFO": "dbname=tandem",
                "TANDEM_PARTICIPANTS_USERS_CONNINFO": "dbname=users",
                "TANDEM_PARTICIPANTS_OLD_ORDERS_CONNINFO": "dbname=orders",
                "TANDEM_PARTICIPANTS_OLD_ORDERS_FINISHERS": "7",
            ])
        #expect(configuration.participants.map(\.name) == ["old-orders", "users"])
        #expect(configuration.participants.first?.finishers == 7)
        #expect(configuration.warnings.isEmpty)
    }

    @Test func environmentAddsParticipantsOnce() throws {
        let configuration = try ConfigurationText.load(
            ConfigurationText.least,
            environment: [
                "TANDEM_PARTICIPANTS_USERS_CONNINFO": "dbname=other",
                "TANDEM_PARTICIPANTS_ORDERS_CONNINFO": "dbname=orders",
            ])
        #expect(configuration.participants.map(\.name) == ["users", "orders"])
        #expect(configuration.participants.first?.connection["dbname"] == "other")
    }

    @Test func warnsOfUnknownVariable() throws {
        // A container platform sets the first by itself, so that it must not stop the start.
        let configuration = try ConfigurationText.load(
            ConfigurationText.least,
            environment: ["TANDEM_PORT": "tcp://10.0.0.1:80", "TANDEM_LISTEN_PROT": "1"])
        #expect(
            configuration.warnings == [
                "unknown variable TANDEM_LISTEN_PROT, which has no effect; did you mean "
                    + "TANDEM_LISTEN_PORT?",
                "unknown variable TANDEM_PORT, which has no effect",
            ])
    }
}

extension Configuration {
    fileprivate var listenText: String { "\(listen) \(allowUnauthenticated)" }
    fileprivate var limitsText: String { "\(limits) \(http)" }
    fileprivate var transactionsText: String { "\(transactions) \(replica)" }
    fileprivate var restText: String {
        let one = participants.first
        let numbers = [
            one?.poolSize, one?.contendedSessions, one?.finishers,
            one?.statementTimeoutMilliseconds,
            one?.lockTimeoutMilliseconds, one?.connectTimeoutMilliseconds, one?.preparedSlots,
            state.readers, state.timeoutMilliseconds, shutdownGraceSeconds,
        ]
        return "\(numbers) \(state.allowFsyncOff) \(log) \(metrics)"
    }
}
