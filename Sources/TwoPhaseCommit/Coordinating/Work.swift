import EventLoop
import TransactionEngine

/// A participant's work in one run, and what came of it.
///
/// The closure's value and its error stay here: they are the caller's own, and nothing below this
/// room needs to know their types.
struct Work<Value: Sendable>: Sendable {
    let erased: ErasedWork
    private let result: Lock<Result<Value, any Error>?>

    init(_ participant: Participant<Value>, executorPreference: (any TaskExecutor)?) {
        let result = Lock<Result<Value, any Error>?>(nil)
        self.result = result
        let work = participant.work
        erased = ErasedWork(
            branch: TransactionRequest.Branch(
                participant: participant.database.name,
                work: .interactive(
                    InteractiveWork(executorPreference: executorPreference) { branch in
                        do {
                            let value = try await work(Transaction(branch))
                            result.withLock { $0 = .success(value) }
                        } catch {
                            result.withLock { $0 = .failure(error) }
                            throw error
                        }
                    }),
                isReadOnly: participant.isReadOnly),
            error: {
                result.withLock { result in
                    if case .failure(let error)? = result { error } else { nil }
                }
            })
    }

    /// What the closure returned; asked for only after a commit.
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
}
