package import TransactionEngine

/// The query of `GET /v1/transactions`, for other renderings of the same list.
package enum TransactionListRequest {
    /// What is wrong with a query.
    package struct Refusal: Error, Sendable {
        /// One sentence for each fault.
        package let faults: [String]
    }

    /// Reads the decoded parameters, in order.
    package static func read(
        _ items: [(name: String, value: String)]
    ) -> Result<RecordFilter, Refusal> {
        do throws(Problem) {
            return .success(try TransactionListQuery.decode(items))
        } catch {
            return .failure(
                Refusal(
                    faults: error.issues.map { issue in
                        guard case .parameter(let name) = issue.place else { return issue.detail }
                        return "\(name): \(issue.detail)"
                    }))
        }
    }
}
