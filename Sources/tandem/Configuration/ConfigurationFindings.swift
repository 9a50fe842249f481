/// What is wrong with a configuration, gathered so that one run reports everything.
final class ConfigurationFindings {
    /// Each with its line or variable, and what was expected.
    var faults: [String] = []
    /// What works but should be changed.
    var warnings: [String] = []
    let environment: ConfigurationEnvironment

    init(environment: ConfigurationEnvironment) {
        self.environment = environment
    }
}

/// Everything that is wrong with a configuration, each fault with its place and what was expected.
struct ConfigurationFaults: Error, CustomStringConvertible {
    /// The file, or "the environment".
    let source: String
    let faults: [String]

    var description: String {
        let count = faults.count == 1 ? "1 error" : "\(faults.count) errors"
        return "\(count) in \(source):\n" + faults.map { "  - \($0)" }.joined(separator: "\n")
    }
}
