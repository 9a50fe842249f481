import ArgumentParser
import EventLoop
import PostgresClient
import PostgresTransactions

/// The command `tandem release`.
struct Release: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ends the quarantine after the state database has changed its server.",
        discussion: """
            A state database that was restored, replaced or promoted may have lost transactions \
            and decisions. In quarantine tandem therefore aborts nothing just because a record is \
            missing. Release the quarantine when you know that nothing was lost, or when you have \
            resolved what was (POST .../resolution). Without --actor and --reason the command only \
            says whether there is a quarantine. tandem records every release.
            """)

    @OptionGroup var options: ConfigurationOption

    @Option(help: "Who releases it.")
    var actor: String?

    @Option(help: "Why it is safe.")
    var reason: String?

    func validate() throws {
        guard (actor == nil) == (reason == nil) else {
            throw ValidationError("--actor and --reason must be given together")
        }
    }

    @LoopActor
    func run() async throws {
        let configuration = try Configuration.load(file: options.config)
        let state = configuration.stateOptions
        let connection = try await StateDatabase.connect(state, loop: .shared)
        defer { connection.close() }
        guard let actor, let reason else {
            let held = try await Quarantine.reason(connection, timeout: state.timeout)
            print(held.map { "Quarantined: \($0)." } ?? "There is no quarantine.")
            return
        }
        let isReleased = try await Quarantine.release(
            connection, actor: actor, reason: reason, timeout: state.timeout)
        print(isReleased ? "Released." : "There is no quarantine.")
    }
}
