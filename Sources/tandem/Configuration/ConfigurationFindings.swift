/// What reading a configuration brings to light, gathered so that one run tells it all.
final class ConfigurationFindings {
    /// Each with its line or variable, and with what would be right.
    var faults: [String] = []
    /// What works but should not stay so.
    var warnings: [String] = []
    let environment: ConfigurationEnvironment

    init(environment: ConfigurationEnvironment) {
        self.environment = environment
    }
}

/// Everything that is wrong with a configuration, each fault with its place and its remedy.
struct ConfigurationFaults: Error, CustomStringConvertible {
    /// The file, or "the environment".
    let source: String
    let faults: [String]

    var description: String {
        let count = faults.count == 1 ? "1 fault" : "\(faults.count) faults"
        return "\(count) in \(source):\n" + faults.map { "  - \($0)" }.joined(separator: "\n")
    }
}
