import ArgumentParser
import CoordinatorAPI
import EventLoop
import Glibc
import PostgresTransactions
import TransactionEngine

/// The command that `tandem dev` runs its replicas by: `tandem serve` with control points.
///
/// It is hidden, and refuses to listen anywhere but on this machine: a caller of a control point can
/// stop the replica, and have branches finished against its decisions.
struct DevReplica: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dev-replica", abstract: "Runs a replica with control points.",
        shouldDisplay: false)

    @OptionGroup var options: ConfigurationOption

    @Option(help: "Pause every transaction at this control point; may be repeated.")
    var pauseAt: [ControlRule.Point] = []

    @Flag(
        help:
            "Run without metrics, console, traces and control points, so that their cost can be measured."
    )
    var unobserved = false

    func run() async throws {
        let configuration = try Configuration.load(file: options.config)
        guard ["127.0.0.1", "::1", "localhost"].contains(configuration.listen.host) else {
            throw ValidationError(
                "Expected listen.host 127.0.0.1, since control points are for this machine alone; got "
                    + "\(configuration.listen.host).")
        }
        let logger = Logging.make(configuration)
        guard !unobserved else {
            return try await Serve.run(configuration, logger: logger, isObserved: false)
        }
        let points = ControlPointGate(clock: LoopClock(.shared), logger: logger) { death, _ in
            Self.end(by: death)
        }
        for point in pauseAt { _ = await points.add(ControlRule(at: point, .pause)) }
        try await Serve.run(configuration, logger: logger, controlPoints: points)
    }

    /// Ends the process as `kill -9` does; for a restart, in the same moment another takes its place.
    private static func end(by death: ControlPointGate.Death) {
        guard death == .restart else {
            _ = kill(getpid(), SIGKILL)
            return
        }
        let words = CommandLine.arguments.map { unsafe strdup($0) } + [nil]
        unsafe execv("/proc/self/exe", words)
        endProcess(1)
    }
}

extension ControlRule.Point: ExpressibleByArgument {}
