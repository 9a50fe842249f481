import ArgumentParser

/// The program.
@main
struct TandemCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tandem",
        abstract: "Commits a change to several PostgreSQL databases, or to none of them.",
        discussion: """
            tandem is a two-phase-commit coordinator with a REST interface and a durable decision \
            log in a PostgreSQL of its own. Begin with `tandem demo`, which shows it on throwaway \
            databases, or `tandem dev`, which keeps them running for you to try.
            """,
        version: "0.1.0",
        subcommands: [
            Serve.self, Migrate.self, Check.self, Release.self, Dev.self, Demo.self, Health.self,
            Logless.self,
        ])
}

/// Where the configuration is.
struct ConfigurationOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The configuration, a YAML file.",
            discussion: """
                Any key may also be given, and is overridden, by a variable: \
                state.conninfo is TANDEM_STATE_CONNINFO, participants.users.poolSize is \
                TANDEM_PARTICIPANTS_USERS_POOL_SIZE.
                """, valueName: "file"))
    var config: String?
}
