import Logging

/// The program's logger: one line an event, on standard error.
enum Logging {
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
