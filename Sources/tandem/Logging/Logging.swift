import Logging

/// The program's logger: one line an event, on standard error.
enum Logging {
    /// Makes a logger for what an auditor has to know.
    ///
    /// Its lines have a label of their own, `tandem.audit`, and are written whatever `log.level` says.
    ///
    /// - Parameter leavesOutRepetitions: For what anybody can cause as often as they like.
    static func makeAudit(_ configuration: Configuration, leavesOutRepetitions: Bool) -> Logger {
        let log = configuration.log
        var logger = Logger(label: "tandem.audit") { label in
            let lines: any LogHandler =
                log.format == "json"
                ? JSONLogHandler(write: StandardErrorLine.write)
                : StreamLogHandler.standardError(label: label)
            let window = Duration.seconds(leavesOutRepetitions ? max(1, log.repeatSeconds) : 0)
            // Not the subject, which the caller chooses.
            return RepeatLimitingLogHandler(
                lines, window: window, subject: ["actor", "address", "outcome"],
                writesUnremembered: false)
        }
        logger.logLevel = .info
        logger[metadataKey: "replica"] = "\(configuration.replica.name)"
        if log.format == "json" { logger[metadataKey: "label"] = "\(logger.label)" }
        return logger
    }

    /// Makes the logger that the configuration describes; every line names the replica.
    static func make(_ configuration: Configuration) -> Logger {
        let log = configuration.log
        var logger = Logger(label: "tandem") { label in
            RepeatLimitingLogHandler(
                log.format == "json"
                    ? JSONLogHandler(write: StandardErrorLine.write)
                    : StreamLogHandler.standardError(label: label),
                window: .seconds(log.repeatSeconds))
        }
        logger.logLevel = Logger.Level(rawValue: log.level) ?? .info
        logger[metadataKey: "replica"] = "\(configuration.replica.name)"
        return logger
    }
}
