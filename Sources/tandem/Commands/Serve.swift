import ArgumentParser
import EventLoop
import Glibc
import Logging
import PostgresTransactions
import UnixSignals

/// The command `tandem serve`.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a replica of the coordinator.",
        discussion: """
            It migrates the state database, connects to the participants, finishes what an earlier \
            life left in doubt, and listens. SIGTERM or SIGINT stops it in order: readiness fails \
            first, what is under way ends within shutdown.graceSeconds. A second signal stops it \
            at once, which is safe: what was decided is finished by the next life. So does the \
            first one while it is still starting.
            """)

    @OptionGroup var options: ConfigurationOption

    func run() async throws {
        let configuration = try Configuration.load(file: options.config)
        let logger = Logging.make(configuration.logLevel)
        for warning in configuration.warnings { logger.warning("\(warning)") }
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let started = Lock<Replica?>(nil)
        // Beside the start, which may have to wait for a lock, or for a server that has become silent.
        Task {
            var isStopping = false
            for await _ in signals {
                guard let replica = started.withLock({ $0 }) else {
                    logger.notice("stopped before it served")
                    endProcess(0)
                }
                if isStopping { endProcess(130) }
                isStopping = true
                logger.notice("stopping; a second signal stops at once")
                Task {
                    let isWhole = await replica.stop()
                    endProcess(isWhole ? 0 : 3)
                }
            }
        }
        let replica = try await Replica.start(configuration, logger: logger)
        started.withLock { $0 = replica }
        await replica.state.waitUntilSuperseded()
        logger.critical("this life of the replica is over; stopping")
        endProcess(75)
    }
}

/// Ends the process without waiting for tasks that only wait for the next event.
func endProcess(_ status: Int32) -> Never { exit(status) }

/// The program's logger: one line an event, on standard error.
enum Logging {
    static func make(_ level: String) -> Logger {
        var logger = Logger(label: "tandem") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = Logger.Level(rawValue: level) ?? .info
        return logger
    }
}
