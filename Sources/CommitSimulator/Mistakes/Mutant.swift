/// A planted mistake that some history must reveal.
package struct Mutant: Sendable {
    /// `core` for a mistake of the machine; `world` for one of what it relies on.
    package let kind: String
    package let name: String
    private let mistake: BrokenMachine?
    private let broken: BrokenWorld?

    /// All mistakes.
    package static let all: [Mutant] =
        BrokenMachine.allCases.map {
            Mutant(kind: "core", name: "\($0)", mistake: $0, broken: nil)
        }
        + BrokenWorld.allCases.map {
            Mutant(kind: "world", name: "\($0)", mistake: nil, broken: $0)
        }

    /// The first history that breaks a rule; nil if the mistake goes unnoticed.
    package func firstFailure(among seeds: UInt64) -> Seeds.Failure? {
        Seeds.firstFailure(in: 0..<seeds, mistake: mistake, broken: broken)
    }
}
