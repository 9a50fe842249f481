/// The result of examining one database.
package struct Diagnosis: Sendable, Hashable {
    /// The result of one check.
    package enum Verdict: String, Sendable, Hashable {
        /// All is well.
        case ok
        /// tandem works, but this should be changed.
        case warning
        /// tandem cannot work here until this is changed.
        case failing
    }

    /// One check.
    package struct Check: Sendable, Hashable {
        /// A name for programs, such as `primary` or `preparedTransactions`.
        package let name: String
        /// The result.
        package let verdict: Verdict
        /// A sentence for people, with the remedy if something is wrong.
        package let detail: String

        static func ok(_ name: String, _ detail: String) -> Check {
            Check(name: name, verdict: .ok, detail: detail)
        }

        static func warning(_ name: String, _ detail: String) -> Check {
            Check(name: name, verdict: .warning, detail: detail)
        }

        static func failing(_ name: String, _ detail: String) -> Check {
            Check(name: name, verdict: .failing, detail: detail)
        }
    }

    /// All checks, in order.
    package let checks: [Check]
    /// One line about the server; nil if it was not reached.
    package let summary: String?

    /// The worst of the verdicts.
    package var verdict: Verdict {
        if checks.contains(where: { $0.verdict == .failing }) { return .failing }
        return checks.contains { $0.verdict == .warning } ? .warning : .ok
    }
}
