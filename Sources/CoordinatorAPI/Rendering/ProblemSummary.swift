package import TransactionEngine

/// Why a transaction was aborted, as its recorded problem says: for renderings other than JSON.
package struct ProblemSummary: Sendable, Hashable {
    /// The reference that names the kind of problem.
    package let type: String
    /// The same for every occurrence of the kind.
    package let title: String
    /// What happened this time.
    package let detail: String
    /// The participant that it is about.
    package let participant: String?
    /// The branch, counted from 0.
    package let branch: Int?
    /// The statement in its branch, counted from 0.
    package let statement: Int?
    /// What PostgreSQL reported, if it did.
    package let sqlState: String?
}

extension TransactionRecord {
    /// Why it was aborted; nil if it was not, or if the reason is not recorded as JSON.
    package var problemSummary: ProblemSummary? {
        guard let problem = reportedProblem, let json = try? JSONReader.read(problem),
            let type = json["type"]?.string, let title = json["title"]?.string
        else { return nil }
        return ProblemSummary(
            type: type, title: title, detail: json["detail"]?.string ?? "",
            participant: json["participant"]?.string, branch: json["branch"]?.integer,
            statement: json["statement"]?.integer, sqlState: json["sqlstate"]?.string)
    }

    /// The entity tag of its status, as JSON has it: what `If-Match` of an action names.
    package var entityTag: String { EntityTag(version, of: .json).text }
}
