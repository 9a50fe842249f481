import EventLoop
import TransactionEngine

/// A participant's work in one run, and its result.
///
/// The closure's value and error stay here; no lower target needs to know their types.
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
        let isClosure = if case .closure = participant.work { true } else { false }
        let voteFailure = Lock<BranchFailure?>(nil)
        branch.onRefusal = { failure in voteFailure.withLock { $0 = failure } }
        erased = ErasedWork(
            branch: branch, isClosure: isClosure,
            thrownError: {
                result.withLock { result in
                    if case .failure(let error)? = result { error } else { nil }
                }
            },
            voteFailure: { voteFailure.withLock { $0 } })
    }

    /// The value of the work; available after a commit.
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
    /// Whether the program's own code runs in it.
    let isClosure: Bool
    /// The error that the closure threw, if any.
    let thrownError: @Sendable () -> (any Error)?
    /// Why the participant voted no, if it did.
    let voteFailure: @Sendable () -> BranchFailure?
}
