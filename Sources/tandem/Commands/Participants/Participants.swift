import ArgumentParser
import CoordinatorAPI

/// The command `tandem participants`.
struct ParticipantsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "participants",
        abstract: "Lists and checks participants; shows what is prepared and what waits there.",
        discussion: "All but `check` ask a running replica. " + CommandStatus.help,
        subcommands: [
            ParticipantsList.self, ParticipantsCheck.self, ParticipantsPrepared.self,
            ParticipantsWaits.self,
        ],
        aliases: ["participant"])
}

/// The participant that a command is about.
struct ParticipantArgument: ParsableArguments {
    @Argument(help: "The participant's name.") var name: String

    var path: String { "/v1/participants/\(ServerAddress.encode(name))" }
}

/// The command `tandem participants list`.
struct ParticipantsList: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists the participants: state, sessions, slots, last error, what is unresolved.",
        discussion: CommandStatus.help)

    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run(with client: APIClient) async throws {
        let answer = try await client.send(.init("/v1/participants"))
        if output.json { return Terminal.output.print(answer.text) }
        let lines = ParticipantText.list(try answer.json(), on: .output)
        Terminal.output.print(lines.joined(separator: "\n"))
    }
}

/// The command `tandem participants prepared`.
struct ParticipantsPrepared: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "prepared",
        abstract: "Lists every prepared transaction of a participant's server.",
        discussion: """
            Whose it is, for how long it has been prepared, what it locks, whom it blocks, and \
            what to do about it. \(CommandStatus.help)
            """)

    @OptionGroup var participant: ParticipantArgument
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run(with client: APIClient) async throws {
        let answer = try await client.send(.init(participant.path + "/prepared"))
        if output.json { return Terminal.output.print(answer.text) }
        let lines = ParticipantText.prepared(try answer.json(), on: .output)
        Terminal.output.print(lines.joined(separator: "\n"))
    }
}

/// The command `tandem participants waits`.
struct ParticipantsWaits: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "waits",
        abstract: "Lists the sessions that wait for a lock in a participant's database now.",
        discussion: CommandStatus.help)

    @OptionGroup var participant: ParticipantArgument
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run(with client: APIClient) async throws {
        let answer = try await client.send(.init(participant.path + "/waits"))
        if output.json { return Terminal.output.print(answer.text) }
        let lines = ParticipantText.waits(try answer.json(), on: .output)
        Terminal.output.print(lines.joined(separator: "\n"))
    }
}

/// The command `tandem participants check`.
struct ParticipantsCheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Checks configured participants, as `tandem check` does for all databases.",
        discussion: """
            It reads the configuration and connects by itself; no replica has to run. Exit status \
            0: no check failed. 1: one did. 64: the configuration has no such participant.
            """)

    @Argument(help: "The participants' names; without any, all.") var names: [String] = []
    @OptionGroup var options: ConfigurationOption
    @Flag(help: "Print one line of JSON for programs instead.") var json = false

    func run() async throws {
        let configuration = try Configuration.load(file: options.config)
        let known = configuration.participants.map(\.name)
        for name in names where !known.contains(name) {
            throw ValidationError(
                "Expected one of \(known.joined(separator: ", ")), got \"\(name)\".")
        }
        let checks = DatabaseChecks(configuration, printsJSON: json)
        try await checks.run(names.isEmpty ? .participants(known) : .participants(names))
    }
}

/// The command `tandem replicas`.
struct ReplicasCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replicas",
        abstract: "Lists the replicas of the coordinator.", subcommands: [ReplicasList.self],
        aliases: ["replica"])
}

/// The command `tandem replicas list`.
struct ReplicasList: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists the replicas: state, incarnation, last heartbeat, lease, participants.",
        discussion: CommandStatus.help)

    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run(with client: APIClient) async throws {
        let answer = try await client.send(.init("/v1/replicas"))
        if output.json { return Terminal.output.print(answer.text) }
        let lines = ReplicaText.list(try answer.json()["replicas"], on: .output)
        Terminal.output.print(lines.joined(separator: "\n"))
    }
}
