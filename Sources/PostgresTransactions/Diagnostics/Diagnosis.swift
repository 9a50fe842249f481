/// What the doctor found out about one database.
public struct Diagnosis: Sendable, Hashable {
    /// How one examination ended.
    public enum Verdict: String, Sendable, Hashable {
        /// All is well.
        case ok
        /// It works, but should not stay so.
        case warning
        /// tandem cannot do its work here until this is changed.
        case failing
    }

    /// One thing that was looked at.
    public struct Check: Sendable, Hashable {
        /// Which: a word for programs, such as `primary` or `preparedTransactions`.
        public let name: String
        /// How it is.
        public let verdict: Verdict
        /// A sentence for people; with the remedy, if something is wrong.
        public let detail: String

        init(_ name: String, _ verdict: Verdict, _ detail: String) {
            self.name = name
            self.verdict = verdict
            self.detail = detail
        }
    }

    /// Everything that was looked at, in order.
    public let checks: [Check]
    /// One line about the server; nil if it was not reached.
    public let summary: String?

    /// The worst of the verdicts.
    public var verdict: Verdict {
        if checks.contains(where: { $0.verdict == .failing }) { return .failing }
        return checks.contains { $0.verdict == .warning } ? .warning : .ok
    }
}
