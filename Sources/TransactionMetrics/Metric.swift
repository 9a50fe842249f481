import Metrics

/// One metric of the table: its name, its type, its labels, and what it says.
package struct Metric: Sendable, Hashable {
    /// The type.
    package enum Kind: String, Sendable, Hashable { case counter, gauge, histogram }

    /// Who reports it.
    package enum Reporter: String, Sendable, Hashable {
        /// The server and the library.
        case both = "server, library"
        /// The server alone.
        case server
    }

    /// The name, in the server and the library alike.
    package let name: String
    /// The type.
    package let kind: Kind
    /// The names of its labels, in the order in which their values are given.
    package let labels: [String]
    /// One sentence about it.
    package let help: String
    /// The upper bounds of a histogram's buckets, in the unit that the name ends with.
    package let buckets: [Double]
    /// Who reports it.
    package let reporter: Reporter

    private init(
        _ name: String, _ kind: Kind, labels: [String], buckets: [Double] = [],
        by reporter: Reporter = .both, help: String
    ) {
        self.name = name
        self.kind = kind
        self.labels = labels
        self.buckets = buckets
        self.reporter = reporter
        self.help = help
    }

    static func counter(
        _ name: String, labels: [String] = [], by reporter: Reporter = .both, help: String
    ) -> Metric {
        Metric(name, .counter, labels: labels, by: reporter, help: help)
    }

    static func gauge(
        _ name: String, labels: [String] = [], by reporter: Reporter = .both, help: String
    ) -> Metric {
        Metric(name, .gauge, labels: labels, by: reporter, help: help)
    }

    static func histogram(
        _ name: String, labels: [String] = [], buckets: [Double],
        by reporter: Reporter = .both, help: String
    ) -> Metric {
        Metric(name, .histogram, labels: labels, buckets: buckets, by: reporter, help: help)
    }

    // MARK: Instruments

    /// The counter with these values of the labels.
    func counter(_ values: String..., in factory: any MetricsFactory) -> Counter {
        Counter(label: name, dimensions: dimensions(values), factory: factory)
    }

    /// The gauge with these values of the labels.
    func gauge(_ values: String..., in factory: any MetricsFactory) -> Gauge {
        Gauge(label: name, dimensions: dimensions(values), factory: factory)
    }

    /// The histogram of durations with these values of the labels.
    func timer(_ values: String..., in factory: any MetricsFactory) -> Metrics.Timer {
        Metrics.Timer(label: name, dimensions: dimensions(values), factory: factory)
    }

    /// The histogram of numbers with these values of the labels.
    func recorder(_ values: String..., in factory: any MetricsFactory) -> Recorder {
        Recorder(label: name, dimensions: dimensions(values), factory: factory)
    }

    private func dimensions(_ values: [String]) -> [(String, String)] {
        precondition(values.count == labels.count, "\(name) has the labels \(labels)")
        return Array(zip(labels, values))
    }
}
