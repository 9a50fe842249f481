import ArgumentParser
import EventLoop
import PostgresClient
import PostgresTransactions

/// The command `tandem migrate`.
struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Updates the schema of the state database, and does nothing else.",
        discussion: "`tandem serve` does the same when it starts. Both take an advisory lock.")

    @OptionGroup var options: ConfigurationOption

    @LoopActor
    func run() async throws {
        let configuration = try Configuration.load(file: options.config)
        let connection = try await StateDatabase.connect(
            configuration.stateOptions, loop: .shared)
        defer { connection.close() }
        let applied = try await Migrator.migrate(connection)
        print(
            applied.isEmpty
                ? "The schema is up to date."
                : "Applied migrations: \(applied.map(String.init).joined(separator: ", ")).")
    }
}
