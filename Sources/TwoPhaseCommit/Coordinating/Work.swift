import EventLoop
import TransactionEngine

/// A participant's work in one run, and what came of it.
///
/// A closure's value and its error stay here: they are the caller's own, and nothing below this
/// room needs to know their types.
struct Work<Value: Sendable>: Sendable {
    let erased: ErasedWork
    private let result: Lock<Result<Value, any Error>?>

    init(_ participant: Participant<Value>, executorPreference: (any TaskExecutor)?) {
        let result = Lock<Result<Value, any Error>?>(nil)
        self.result = result
        let work: TransactionRequest.Work
        switch participant.work {
        case .closure(let body):
            work = .interactive(
                InteractiveWork(executorPreference: executorPreference) { branch in
                    do {
                        let value = try await body(Transaction(branch))
                        result.withLock { $0 = .success(value) }
                    } catch {
                        result.withLock { $0 = .failure(error) }
                        throw error
                    }
                })
        case .statements(let statements, let value):
            work = .statements(statements.map { $0.statement })
            result.withLock { $0 = .success(value) }
        }
        var branch = TransactionRequest.Branch(
            participant: participant.database.name, work: work,
            isReadOnly: participant.isReadOnly)
        let refusal = Lock<BranchFailure?>(nil)
        branch.onRefusal = { failure in refusal.withLock { $0 = failure } }
        erased = ErasedWork(
            branch: branch,
            error: {
                result.withLock { result in
                    if case .failure(let error)? = result { error } else { nil }
                }
            },
            refusal: { refusal.withLock { $0 } })
    }

    /// What the work answers; asked for only after a commit.
    var value: Value {
        let result = result.withLock { $0 }
        guard case .success(let value)? = result else {
            preconditionFailure("a branch is prepared only after its closure has returned")
        }
        return value
    }
}

/// A participant's work without its type.
struct ErasedWork: Sendable {
    let branch: TransactionRequest.Branch
    /// What the closure threw, if it did.
    let error: @Sendable () -> (any Error)?
    /// Why it voted no, if it did.
    let refusal: @Sendable () -> BranchFailure?
}
