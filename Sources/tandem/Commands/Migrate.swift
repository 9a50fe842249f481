import ArgumentParser
import EventLoop
import PostgresClient
import PostgresTransactions

/// The command `tandem migrate`.
struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Brings schema tandem of the state database up to date, and does nothing else.",
        discussion: "`tandem serve` does the same at its start; both take an advisory lock.")

    @OptionGroup var options: ConfigurationOption

    @LoopActor
    func run() async throws {
        let configuration = try Configuration.load(file: options.config)
        let connection = try await StateDatabase.connect(configuration.stateOptions)
        defer { connection.close() }
        let applied = try await Migrator.migrate(connection)
        print(
            applied.isEmpty
                ? "The schema is up to date."
                : "Applied \(applied.map(String.init).joined(separator: ", ")).")
    }
}
