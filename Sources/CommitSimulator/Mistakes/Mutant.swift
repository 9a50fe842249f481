/// A planted mistake that some history must reveal.
package struct Mutant: Sendable {
    /// `core` for a mistake of the machine; `world` for one of what it relies on; `locks` for one in
    /// how deadlocks are ended.
    package let kind: String
    package let name: String
    private let notice: @Sendable (Range<UInt64>) -> (seed: UInt64, violation: Violation)?

    /// All mistakes.
    package static let all: [Mutant] =
        BrokenMachine.allCases.map { mistake in
            Mutant(kind: "core", name: "\(mistake)") { seeds in
                Seeds.firstFailure(in: seeds, mistake: mistake).map { ($0.seed, $0.violation) }
            }
        }
        + BrokenWorld.allCases.map { broken in
            Mutant(kind: "world", name: "\(broken)") { seeds in
                Seeds.firstFailure(in: seeds, broken: broken).map { ($0.seed, $0.violation) }
            }
        }
        + LockMistake.allCases.map { mistake in
            Mutant(kind: "locks", name: "\(mistake)") { seeds in
                LockSeeds.firstFailure(in: seeds, policy: mistake.policy, mistake: mistake)
            }
        }

    /// The first history that breaks a rule; nil if the mistake goes unnoticed.
    package func firstFailure(among seeds: UInt64) -> (seed: UInt64, violation: Violation)? {
        notice(0..<seeds)
    }
}
