public import Logging

extension Coordinator {
    /// The databases, the decision log and the limits of a coordinator.
    public struct Configuration: Sendable {
        /// The databases that may take part in transactions, each under a unique name.
        public var databases: [Database]
        /// Where the coordinator records decisions.
        public var log: LogLocation
        /// The time limit of a transaction from its start to its decision, unless a call of `run` sets
        /// another.
        public var timeout: Duration = .seconds(30)
        /// How long a call of `run` waits for its databases to finish after the decision.
        ///
        /// After this time the call returns or throws with what is known, and the coordinator
        /// finishes the transaction in the background.
        public var finishWait: Duration = .seconds(5)
        /// The maximum number of transactions in progress; the coordinator refuses more.
        public var inFlightMax = 1024
        /// The maximum number of transactions that wait for sessions; the coordinator refuses more.
        public var queueMax = 1024
        /// The executor on which the participants' closures run; nil for the global one.
        ///
        /// See ``Coordinator/eventLoop`` for the faster alternative and its risk.
        public var executorPreference: (any TaskExecutor)?
        /// How long a shutdown waits for running transactions before it aborts undecided ones.
        public var shutdownGrace: Duration = .seconds(10)
        /// Whether to accept servers with `fsync = off`; only for servers whose data may be lost.
        public var allowsFsyncOff = false
        /// The logger; by default one of the bootstrapped logging system.
        public var logger = Logger(label: "tandem.coordinator")

        /// Makes a configuration with default values for everything else.
        public init(databases: [Database], log: LogLocation) {
            self.databases = databases
            self.log = log
        }
    }
}

/// The error of a coordinator that cannot start, or had to stop.
public struct CoordinatorError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure.
    public enum Code: Sendable, Hashable {
        /// The configuration is invalid: a connection string, a duplicate name, a number or a time.
        case configuration
        /// The state database cannot be used.
        case stateDatabase
        /// Another process has started under this replica's name.
        case superseded
        /// The coordinator was shut down.
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

extension Coordinator.Configuration {
    /// Reports an invalid value by its name here; PostgreSQL or a clock would name another.
    func check() throws(CoordinatorError) {
        let names = databases.map(\.name)
        if let duplicate = names.first(where: { name in names.count { $0 == name } > 1 }) {
            throw CoordinatorError(.configuration, "two databases are named \"\(duplicate)\"")
        }
        try check("inFlightMax", inFlightMax, in: 1 ... .max)
        try check("queueMax", queueMax, in: 0 ... .max)
        for database in databases {
            func check<Value: Comparable>(
                _ property: String, _ value: Value, in range: ClosedRange<Value>
            ) throws(CoordinatorError) {
                try self.check("\(property) of database \"\(database.name)\"", value, in: range)
            }
            try check("connections", database.connections, in: 1 ... .max)
            try check(
                "contendedConnectionsMax", database.contendedConnectionsMax ?? 1, in: 1 ... .max)
            try check("finishingConnections", database.finishingConnections, in: 1 ... .max)
            try check(
                "preparedTransactionsMax", database.preparedTransactionsMax ?? 1, in: 1 ... .max)
            try check("rowsMax", database.rowsMax, in: 0 ... .max)
            try check("bytesMax", database.bytesMax, in: 0 ... .max)
            try check("connectTimeout", database.connectTimeout, in: .milliseconds(1) ... .day)
            // Zero means no limit, as in PostgreSQL.
            try check("statementTimeout", database.statementTimeout, in: .zero ... .day)
            try check("lockTimeout", database.lockTimeout, in: .zero ... .day)
        }
        guard case .database(let state) = log else { return }
        try check("timeout of the state database", state.timeout, in: .milliseconds(1) ... .day)
        try check("lease of the state database", state.lease, in: .seconds(1) ... .day)
        try check("retention of the state database", state.retention, in: .zero ... .day * 3650)
    }

    private func check<Value: Comparable>(
        _ property: String, _ value: Value, in range: ClosedRange<Value>
    ) throws(CoordinatorError) {
        guard !range.contains(value) else { return }
        throw CoordinatorError(
            .configuration,
            "\(property): expected \(range.lowerBound) to \(range.upperBound), got \(value)")
    }
}

extension Duration {
    fileprivate static let day = Duration.seconds(24 * 3600)
}
