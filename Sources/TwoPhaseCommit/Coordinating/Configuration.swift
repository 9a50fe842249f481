public import Logging

/// What a coordinator is made of.
public struct Configuration: Sendable {
    /// The databases that may take part in its transactions; each with a name of its own.
    public var databases: [Database]
    /// Where decisions are written.
    public var log: LogLocation
    /// The bound on a transaction's time from its start to its decision, unless a run says another.
    public var timeout: Duration = .seconds(30)
    /// The bound on the wait from the decision to the answer.
    ///
    /// When it passes, the answer says what is known by then, and ending goes on.
    public var finishWait: Duration = .seconds(5)
    /// Transactions under way at once, at most; more are refused.
    public var inFlightMax = 1024
    /// Transactions that may wait for sessions, at most; more are refused.
    public var queueMax = 1024
    /// The executor that the closures of participants prefer; nil for the global one.
    ///
    /// The choice is between room and speed: see ``Coordinator/eventLoop``.
    public var executorPreference: (any TaskExecutor)?
    /// How long a shutdown waits for what is under way, before it aborts what is undecided.
    public var shutdownGrace: Duration = .seconds(10)
    /// Accept servers that run with `fsync = off`; for throwaway ones.
    public var allowsFsyncOff = false
    /// The logger, by default one of the system that the program has bootstrapped.
    public var logger = Logger(label: "tandem.coordinator")

    /// Makes a configuration with the defaults.
    public init(databases: [Database], log: LogLocation) {
        self.databases = databases
        self.log = log
    }
}

/// Why a coordinator cannot start, or had to stop.
public struct CoordinatorError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure.
    public enum Code: Sendable, Hashable {
        /// A connection string, two databases of one name, or a number or a time that cannot be.
        case configuration
        /// The state database cannot be used.
        case stateDatabase
        /// Another process has started under this replica's name.
        case superseded
        /// It was shut down.
        case stopped
        /// The task that waited for the start was cancelled.
        case cancelled
    }

    /// The kind of failure.
    public let code: Code
    /// One sentence for people, without secrets.
    public let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
