/// Many histories, and one of them reported.
package enum Seeds {
    /// A history that broke a rule.
    package struct Failure: Sendable, CustomStringConvertible {
        package let seed: UInt64
        package let violation: Violation

        package var description: String {
            "\(violation)\n  replay: make simulate SEED=\(seed)"
        }
    }

    /// The first of these seeds that breaks a rule.
    package static func firstFailure(
        in seeds: Range<UInt64>, mistake: BrokenMachine? = nil, broken: BrokenWorld? = nil
    ) -> Failure? {
        for seed in seeds {
            if let violation = violation(of: seed, mistake: mistake, broken: broken) {
                return Failure(seed: seed, violation: violation)
            }
        }
        return nil
    }

    private static func violation(
        of seed: UInt64, mistake: BrokenMachine?, broken: BrokenWorld?
    ) -> Violation? {
        var history = History(seed: seed, mistake: mistake, broken: broken)
        do throws(Violation) {
            try history.run()
            return nil
        } catch {
            return error
        }
    }

    /// The transcript of a seed.
    package static func transcript(
        _ seed: UInt64, mistake: BrokenMachine? = nil, broken: BrokenWorld? = nil
    ) -> (lines: [String], violation: Violation?) {
        var history = History(seed: seed, mistake: mistake, broken: broken, isTranscribed: true)
        do throws(Violation) {
            try history.run()
            return (history.transcript, nil)
        } catch {
            return (history.transcript, error)
        }
    }
}
