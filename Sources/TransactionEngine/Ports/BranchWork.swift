/// What one branch has to do before it votes.
package enum BranchWork: Sendable {
    /// These statements, in order, all of them known in advance.
    case statements([InspectedStatement])
    /// The caller's own code, which runs statements, reads their rows and decides what comes next.
    case interactive(InteractiveWork)
}

/// The caller's own code over the open transaction of a branch.
package struct InteractiveWork: Sendable {
    /// Runs in a task of its own, which is cancelled when the transaction is to abort.
    ///
    /// The branch votes no if the code throws, or if a statement failed, whether or not the code
    /// caught the failure. What the code returns or throws stays in the closure.
    package let body: @Sendable (any OpenBranch) async throws -> Void

    /// The executor that the code prefers; nil for the global one, off the loop, where it may compute
    /// or block.
    package let executorPreference: (any TaskExecutor)?

    /// Makes work of code.
    package init(
        executorPreference: (any TaskExecutor)? = nil,
        _ body: @escaping @Sendable (any OpenBranch) async throws -> Void
    ) {
        self.executorPreference = executorPreference
        self.body = body
    }
}

/// The open transaction of a branch, for as long as the caller's code has it.
package protocol OpenBranch: Sendable {
    /// Runs statements in order and in one round trip; after one that fails no other runs.
    ///
    /// The first call begins the transaction, in the same round trip.
    func execute(_ statements: [Statement]) async throws(OpenBranchError) -> [StatementResult]
}

/// Why a statement of the caller's code failed, or did not run.
package enum OpenBranchError: Error, Sendable, Hashable {
    /// It was sent and failed; the branch can only vote no.
    case failed(BranchFailure)
    /// It can be part of no branch and was not sent, for this reason. The branch votes no.
    case refused(statement: Int, reason: String)
    /// The branch has voted, or its deadline has passed: nothing was sent.
    case isOver
}
