import ArgumentParser
import EventLoop
import PostgresClient
import PostgresTransactions

/// The command `tandem release`.
struct Release: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Releases the quarantine that follows a change of the state database's server.",
        discussion: """
            When the state database was restored, replaced or promoted, rows and decisions may be \
            lost, so nothing is aborted because something is not there. Release it when you know \
            that nothing was lost, or have ended what was (see POST .../resolution). Without \
            --reason it only says whether there is a quarantine. Every release is recorded.
            """)

    @OptionGroup var options: ConfigurationOption

    @Option(help: "Who releases it.")
    var actor: String?

    @Option(help: "Why it may be released.")
    var reason: String?

    func validate() throws {
        guard (actor == nil) == (reason == nil) else {
            throw ValidationError("--actor and --reason go together")
        }
    }

    @LoopActor
    func run() async throws {
        let configuration = try Configuration.load(file: options.config)
        let state = configuration.stateOptions
        let connection = try await StateDatabase.connect(state)
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
