/// The commit protocol has no clock, no concurrency and no randomness of its own: the same events
/// give the same steps, in production and in a simulation.
enum Purity {
    /// What may not stand in the core's code, and what it would bring in.
    private static var forbidden: [(pattern: Regex<Substring>, what: String)] {
        [
            (/\b(?:Date|ContinuousClock|SuspendingClock)\b/, "a clock"),
            (/\b(?:Task|async|await|actor)\b/, "concurrency"),
            (/\.random\b|\b\w*RandomNumberGenerator\b|\.shuffle(?:d)?\(/, "randomness"),
            (/\bprint\(/, "output"),
        ]
    }

    static func faults(in files: [SourceFile]) -> [String] {
        files.filter { $0.target == "CommitProtocol" }.flatMap { file in
            SwiftCode(file.text).lines.enumerated().flatMap { index, line in
                forbidden.compactMap { rule in
                    line.firstMatch(of: rule.pattern).map {
                        "\(file.path):\(index + 1): \($0.output) brings \(rule.what) into the core"
                    }
                }
            }
        }
    }
}
