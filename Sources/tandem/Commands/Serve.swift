import ArgumentParser
import EventLoop
import Glibc
import Logging
import PostgresTransactions
import TransactionEngine
import UnixSignals

/// The command `tandem serve`.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a replica of the coordinator.",
        discussion: """
            It migrates the state database, connects to the participants, finishes the \
            transactions that an earlier process left in doubt, and listens.

            SIGTERM or SIGINT stops it in order: readiness fails first, then requests and running \
            transactions get shutdown.graceSeconds each. A second signal, or the first during the start, \
            stops it at once. That is safe: the next process finishes every decided transaction.

            SIGHUP has access.file and the files of listen.tls read again at once; changes are \
            taken within seconds in any case. A file with a fault changes nothing, and the log \
            says what is wrong.

            If NOTIFY_SOCKET is set, it reports to systemd when it serves, reads files again and \
            stops (Type=notify).

            Exit status 0: stopped in order. 1: could not start. 3: stopped before all \
            transactions had ended. 75: another process took this replica's name or work. 130: \
            stopped at once by a second signal.
            """)

    @OptionGroup var options: ConfigurationOption

    func run() async throws {
        let configuration = try Configuration.load(file: options.config)
        try await Self.run(configuration, logger: Logging.make(configuration))
    }

    /// Runs a replica until the process ends.
    ///
    /// - Parameters:
    ///   - controlPoints: for a rehearsal; a coordinator that is in use has none.
    ///   - isObserved: see `Replica.start`.
    static func run(
        _ configuration: Configuration, logger: Logger, controlPoints: ControlPointGate? = nil,
        isObserved: Bool = true
    ) async throws {
        ProcessMemory.keepPrivate()
        for warning in configuration.warnings { logger.warning("\(warning)") }
        let manager = ServiceManager()
        // Without files that may change SIGHUP ends the process, as it does when a terminal goes away.
        // A service manager sends it to have them read again, and there may be none.
        let mayReload = configuration.hasFilesToReload || manager != nil
        let trapped: [UnixSignal] = [.sigterm, .sigint] + (mayReload ? [.sighup] : [])
        let signals = await UnixSignalsSequence(trapping: trapped)
        let started = Lock<Replica?>(nil)
        // Handles signals during the start too, which may wait for a lock or for a silent server.
        Task {
            var isStopping = false
            for await signal in signals {
                if signal == .sighup {
                    // During the start there is nothing yet that could be read again. A file that hangs
                    // must not keep the next signal.
                    Task {
                        guard let replica = started.withLock({ $0 }) else { return }
                        manager?.report(.reloading)
                        await replica.reload()
                        manager?.report(.ready)
                    }
                    continue
                }
                guard let replica = started.withLock({ $0 }) else {
                    logger.notice("stopped during the start")
                    endProcess(0)
                }
                if isStopping { endProcess(130) }
                isStopping = true
                manager?.report(.stopping)
                logger.notice("stopping; a second signal stops at once")
                Task {
                    let isWhole = await replica.stop()
                    endProcess(isWhole ? 0 : 3)
                }
            }
        }
        let replica = try await Replica.start(
            configuration, logger: logger, controlPoints: controlPoints, isObserved: isObserved)
        started.withLock { $0 = replica }
        manager?.report(.ready)
        await replica.state.waitUntilSuperseded()
        logger.critical("another process has taken this replica's name or work; stopping")
        endProcess(75)
    }
}

/// Ends the process without waiting for tasks that wait for events.
func endProcess(_ status: Int32) -> Never { exit(status) }
