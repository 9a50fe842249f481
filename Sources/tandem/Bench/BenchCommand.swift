import ArgumentParser
import EventLoop
import Logging
import UnixSignals

/// The command `tandem bench`.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measures transactions on the configured databases, and recommends sizes.",
        discussion: """
            It creates the table \(BenchServers.table) in the participants, runs transactions that insert a \
            row in each of them, with more and more at once, and drops the table. It coordinates \
            them itself, as the replica \(BenchCoordinator.replica); no replica need run, and those \
            that do compete with it, as they will with each other. Then it recommends poolSize, and \
            says whether max_prepared_transactions and max_connections of each server suffice. \
            The rows of these transactions stay in the state database until its retention removes \
            them. \(CommandStatus.help)
            """)

    @Option(
        help: ArgumentHelp(
            "The participants, such as users,orders; the first two of the configuration without it.",
            valueName: "names"))
    var participants: NameList?
    @Option(
        help: ArgumentHelp(
            "How many transactions run at once, one measurement for each number.",
            valueName: "numbers"))
    var clients = NumberList([1, 2, 4, 8, 16, 32, 64])
    @Option(help: ArgumentHelp("How long to measure with each number.", valueName: "time"))
    var time = DurationArgument(.seconds(5))
    @Option(help: "How many replicas will share the servers.") var replicas = 2
    @Flag(help: "Print one line of JSON for programs instead.") var json = false
    @OptionGroup var options: ConfigurationOption

    func validate() throws {
        guard (1...100).contains(replicas) else {
            throw ValidationError("Expected --replicas from 1 to 100, got \(replicas).")
        }
    }

    func run() async throws {
        try await reportingFailures {
            let configuration = try Configuration.load(file: options.config)
            let chosen = try choose(of: configuration)
            let servers = BenchServers(configuration, chosen)
            let interruption = Interruption()
            let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
            let watch = Task {
                for await _ in signals { await interruption.begin() }
            }
            defer { watch.cancel() }
            let facts = try await servers.prepare()
            do {
                let rows = try await measure(configuration, chosen, interruption)
                try await servers.dropTables()
                try await print(BenchReport(facts, rows, replicas: replicas), interruption)
            } catch {
                // The failure matters more than a table that could not be dropped because of it.
                try? await servers.dropTables()
                throw error
            }
        }
    }

    private func choose(of configuration: Configuration) throws -> [Configuration.Participant] {
        guard let names = participants?.names else {
            return Array(configuration.participants.prefix(2))
        }
        return try names.map { name in
            guard let found = configuration.participants.first(where: { $0.name == name }) else {
                throw CommandFailure(
                    .usage,
                    "Expected names of participants in the configuration, got \(name).")
            }
            return found
        }
    }

    private func measure(
        _ configuration: Configuration, _ chosen: [Configuration.Participant],
        _ interruption: Interruption
    ) async throws -> [BenchRow] {
        // What goes wrong is in the answers.
        let logger = Logger(label: "tandem.bench", factory: { _ in SwiftLogNoOpLogHandler() })
        var rows: [BenchRow] = []
        for (place, count) in clients.numbers.enumerated() {
            if await interruption.hasBegun { break }
            let row = try await ProgressLine.during(
                "measuring \(count) at once, \(place + 1) of \(clients.numbers.count)"
            ) {
                let coordinator = try await BenchCoordinator.start(
                    configuration, chosen, sessions: count, logger: logger)
                do {
                    let row = try await coordinator.measure(
                        clients: count, for: time.duration, until: interruption)
                    await coordinator.stop()
                    return row
                } catch {
                    await coordinator.stop()
                    throw error
                }
            }
            rows.append(row)
        }
        return rows
    }

    private func print(_ report: BenchReport, _ interruption: Interruption) async throws {
        let lines = json ? [report.json] : report.lines(on: .output)
        Terminal.output.print(lines.joined(separator: "\n"))
        if await interruption.hasBegun { throw ExitCode(CommandStatus.failed.rawValue) }
    }
}

/// Whether the command was asked to stop.
@LoopActor
final class Interruption {
    private(set) var hasBegun = false

    nonisolated init() {}

    func begin() { hasBegun = true }
}

/// Names with commas between them.
struct NameList: ExpressibleByArgument {
    let names: [String]

    init?(argument: String) {
        names = argument.split(separator: ",").map(String.init)
        guard !names.isEmpty, Set(names).count == names.count else { return nil }
    }
}

/// Numbers from 1 to 1000 with commas between them.
struct NumberList: ExpressibleByArgument {
    let numbers: [Int]

    init(_ numbers: [Int]) { self.numbers = numbers }

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        numbers = parts.compactMap { Int($0) }.filter { (1...1000).contains($0) }
        guard numbers.count == parts.count else { return nil }
    }

    var defaultValueDescription: String { numbers.map(String.init).joined(separator: ",") }
}
