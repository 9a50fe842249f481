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

/// A room gets its loop through its initializer; only the event loop itself, the programs and the
/// library's composition root name the shared one.
enum SharedLoop {
    private static let rootTargets: Set = [
        "EventLoop", "tandem", "TwoPhaseCommit", "TwoPhaseCommitTesting",
    ]

    static func faults(in files: [SourceFile]) -> [String] {
        files.filter { !rootTargets.contains($0.target) }.flatMap { file in
            SwiftCode(file.text).lines.enumerated().compactMap { index, line in
                line.contains(/EventLoop\.shared(?!\w)|[=(:]\s*\.shared(?!\w)/)
                    ? "\(file.path):\(index + 1): the shared loop in a room" : nil
            }
        }
    }
}
