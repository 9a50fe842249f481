import ArgumentParser
import CoordinatorAPI
import Glibc
import PostgresClusters
import TransactionEngine
import UnixSignals

/// The command `tandem dev`.
struct Dev: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs throwaway databases and a coordinator for you to try.",
        discussion: """
            It starts three PostgreSQL servers (state, users, orders) on free loopback ports, and \
            a coordinator, and stops them at SIGINT or SIGTERM. Both participants have the tables \
            users, orders and accounts.
            """)

    @Option(help: "The coordinator's port; further replicas use the next ones. 0 takes free ports.")
    var port: UInt16 = 8080

    @Option(help: "How many replicas of the coordinator to run.") var replicas = 1

    @Option(help: "Keep the databases in this folder for the next run.") var directory: String?

    @Flag(help: "Keep a journal of decisions in every participant.") var journal = false

    @Option(
        help: ArgumentHelp(
            "A setting for all PostgreSQL servers, such as log_statement=all; may be repeated.",
            valueName: "name=value"))
    var setting: [ServerSetting] = []

    @Option(
        help: ArgumentHelp(
            "A line of the replicas' configuration, such as 'limits: { inFlight: 8 }'; may be repeated.",
            valueName: "line"))
    var configure: [String] = []

    @Flag(help: .hidden) var unobserved = false

    @Option(
        help: "Pause every transaction at this control point, for a rehearsal; may be repeated.")
    var pauseAt: [ControlRule.Point] = []

    @Flag(
        inversion: .prefixedNo,
        help: ArgumentHelp(
            "Offer /dev/control-points, with which transactions can be paused and harmed.",
            discussion: "See docs/REHEARSAL.md. Without them, the replicas run as in production."))
    var controlPoints = true

    @Flag(help: "Print one line of JSON for programs when everything is ready.") var json = false

    func validate() throws {
        guard (1...16).contains(replicas) else {
            throw ValidationError("Expected --replicas from 1 to 16.")
        }
        guard Int(port) + replicas - 1 <= Int(UInt16.max) else {
            throw ValidationError(
                "Expected ports of at most 65535, got more with \(replicas) replicas from port \(port)."
            )
        }
        guard controlPoints || pauseAt.isEmpty else {
            throw ValidationError("Expected --pause-at without --no-control-points.")
        }
        guard !unobserved || !controlPoints else {
            throw ValidationError("Expected --unobserved with --no-control-points.")
        }
    }

    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let given = Dictionary(setting.map { ($0.name, $0.value) }) { $1 }
        let sandbox = try await Sandbox.start(
            directory: directory, settings: configure,
            servers: Dictionary(uniqueKeysWithValues: Sandbox.serverNames.map { ($0, given) }))
        if journal {
            for name in Sandbox.participantNames { sandbox.keys[name] = "journal: true" }
        }
        do {
            for number in 1...replicas {
                let port = port == 0 ? nil : port + UInt16(number - 1)
                try await sandbox.startReplica(
                    number, port: port, isQuiet: json, command: replicaCommand)
            }
            print(json ? await report(sandbox) : await help(sandbox))
            fflush(nil)
            for await _ in signals { break }
        } catch {
            await sandbox.stop()
            throw error
        }
        await sandbox.stop()
    }

    private var replicaCommand: [String] {
        guard !unobserved else { return ["dev-replica", "--unobserved"] }
        guard controlPoints else { return ["serve"] }
        return ["dev-replica"] + pauseAt.flatMap { ["--pause-at", $0.rawValue] }
    }

    private func report(_ sandbox: Sandbox) async -> String {
        var pids = [("state", await sandbox.state.processID)]
        for (name, cluster) in sandbox.participants.sorted(by: { $0.key < $1.key }) {
            pids.append((name, await cluster.processID))
        }
        let replicas = sandbox.replicas.map { Int($0.process.processID) }
        let urls = sandbox.replicas.map { "http://127.0.0.1:\($0.port)" }
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("url", urls[0])
            writer.name("urls")
            writer.array(urls) { $1.string($0) }
            writer.member("state", Self.url(sandbox.state))
            writer.name("participants")
            writer.object { writer in
                for (name, cluster) in sandbox.participants.sorted(by: { $0.key < $1.key }) {
                    writer.name(escaping: name)
                    writer.string(Self.url(cluster))
                }
            }
            writer.name("pids")
            writer.object { writer in
                writer.member("coordinator", replicas[0])
                for (index, pid) in replicas.enumerated() {
                    writer.name(escaping: "replica-\(index + 1)")
                    writer.integer(pid)
                }
                for (name, pid) in pids {
                    writer.name(escaping: name)
                    writer.integer(pid)
                }
            }
        }
        return writer.text
    }

    private func help(_ sandbox: Sandbox) async -> String {
        let url = "http://127.0.0.1:\(sandbox.replicas[0].port)"
        let databases = sandbox.participants.keys.sorted().compactMap { name in
            sandbox.participants[name].map { "  \(name): psql \(Self.url($0))" }
        }
        return """

            tandem runs at \(url). Open it in a browser to see its console. Try:

              curl -i \(url)/v1/transactions -H 'Content-Type: application/json' -d '{"branches":[
                {"participant":"users","statements":[{"sql":"INSERT INTO users VALUES ($1,$2)",
                  "parameters":["u1","Ada"]}]},
                {"participant":"orders","statements":[{"sql":"INSERT INTO orders VALUES ($1,$2,$3)",
                  "parameters":["o1","u1",42.50]}]}]}'
              curl \(url)/v1/transactions
              curl \(url)/v1/participants

            \(databases.joined(separator: "\n"))
              state: psql \(Self.url(sandbox.state))
            \(controlPoints ? rehearsal(sandbox) : "")
            Stop with Ctrl-C.
            """
    }

    /// The variables of docs/REHEARSAL.md.
    private func rehearsal(_ sandbox: Sandbox) -> String {
        var variables = sandbox.replicas.enumerated().map { index, replica in
            "T\(index == 0 ? "" : "\(index + 1)")=http://127.0.0.1:\(replica.port)"
        }
        for (name, cluster) in sandbox.participants.sorted(by: { $0.key < $1.key }) {
            variables.append("\(name.uppercased())=\(Self.url(cluster))")
        }
        return """

            To rehearse unknown outcomes, takeovers and the like as in docs/REHEARSAL.md:

              \(variables.joined(separator: "\n  "))

            """
    }

    private static func url(_ cluster: PostgresCluster) -> String {
        "postgresql://postgres@127.0.0.1:\(cluster.port)/\(cluster.database)"
    }
}

/// A setting of PostgreSQL, written `name=value`.
struct ServerSetting: ExpressibleByArgument {
    let name: String
    let value: String

    init?(argument: String) {
        let sides = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard sides.count == 2, !sides[0].isEmpty else { return nil }
        name = String(sides[0])
        value = String(sides[1])
    }
}
