import ArgumentParser
import TransactionMetrics

/// The program.
@main
struct TandemCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tandem",
        abstract: "Commits a change to several PostgreSQL databases, or to none of them.",
        discussion: """
            tandem is a two-phase-commit coordinator for PostgreSQL with an HTTP API. It records \
            every decision in a PostgreSQL database of its own. Start with `tandem demo`, which \
            shows a commit, an abort and a crash on throwaway databases, or with `tandem dev`, \
            which keeps such databases running for you to try.
            """,
        version: BuildInformation.version,
        groupedSubcommands: [
            CommandGroup(
                name: "Ask a running replica:",
                subcommands: [
                    RunCommand.self, Top.self, TransactionsCommand.self, ParticipantsCommand.self,
                    ReplicasCommand.self,
                ]),
            CommandGroup(
                name: "Run and look after the coordinator:",
                subcommands: [
                    Serve.self, Check.self, Grants.self, Migrate.self, Release.self,
                    BenchCommand.self, BreakGlass.self, TokenCommand.self, Health.self,
                    Logless.self,
                ]),
            CommandGroup(name: "Try it:", subcommands: [Dev.self, DevReplica.self, Demo.self]),
        ])
}

/// The option that names the configuration file.
struct ConfigurationOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The configuration file, in YAML.",
            discussion: """
                An environment variable can set any key, and overrides the file: \
                TANDEM_STATE_CONNINFO sets state.conninfo, and \
                TANDEM_PARTICIPANTS_USERS_POOL_SIZE sets poolSize of the participant users.
                """, valueName: "file"))
    var config: String?
}
