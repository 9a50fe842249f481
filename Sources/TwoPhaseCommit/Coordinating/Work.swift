import EventLoop
import TransactionEngine

/// A participant's work in one call of `run`, and its result.
///
/// The closure's value and error stay here; no lower target needs to know their types. The transaction
/// may run several times, and every time calls the closure again: the value is that of the last call,
/// and an error counts only together with the no vote that it led to.
struct Work<Value: Sendable>: Sendable {
    let erased: ErasedWork
    private let state: Lock<State>

    private struct State: Sendable {
        /// How the last call of the closure ended.
        var result: Result<Value, any Error>?
        /// The last no vote.
        var refusal: BranchRefusal?
        /// The end of the last call of the closure.
        var lastCall: CallEnd?
    }

    init(_ participant: Participant<Value>, executorPreference: (any TaskExecutor)?) {
        let state = Lock(State())
        self.state = state
        let work: TransactionRequest.Work
        switch participant.work {
        case .closure(let body):
            work = .interactive(
                InteractiveWork(executorPreference: executorPreference) { branch in
                    try await Self.call(body, Transaction(branch), state)
                })
        case .statements(let statements, let value):
            work = .statements(statements.map { $0.statement })
            state.withLock { $0.result = .success(value) }
        }
        var branch = TransactionRequest.Branch(
            participant: participant.database.name, work: work,
            isReadOnly: participant.isReadOnly)
        branch.onRefusal = { failure in
            state.withLock { state in
                // The closure has ended by now, or was given up: what it throws later explains nothing.
                // A later run may vote no before it calls the closure, and must not find this error.
                var thrownError: (any Error)?
                if case .failure(let error)? = state.result {
                    thrownError = error
                    state.result = nil
                }
                state.refusal = BranchRefusal(failure: failure, thrownError: thrownError)
            }
        }
        let isClosure = if case .closure = participant.work { true } else { false }
        erased = ErasedWork(
            branch: branch, isClosure: isClosure,
            refusal: { state.withLock { $0.refusal } })
    }

    /// Calls the closure once the call before it has ended.
    ///
    /// A run is aborted as soon as one branch votes no, and the next may begin while the closures of
    /// other branches still learn of it. Two calls at once would be a surprise to any closure, and the
    /// result of the first could take the place of the second's.
    private static func call(
        _ body: (Transaction) async throws -> Value, _ transaction: Transaction,
        _ state: Lock<State>
    ) async throws {
        let end = CallEnd()
        let previous = state.withLock { state in
            defer { state.lastCall = end }
            return state.lastCall
        }
        await previous?.wait()
        defer { end.signal() }
        do {
            // It may have been cancelled while it waited.
            if previous != nil { try Task.checkCancellation() }
            let value = try await body(transaction)
            state.withLock { $0.result = .success(value) }
        } catch {
            state.withLock { $0.result = .failure(error) }
            throw error
        }
    }

    /// The value of the work; available after a commit.
    var value: Value {
        let result = state.withLock { $0.result }
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
    /// The participant's last no vote, if it gave one.
    let refusal: @Sendable () -> BranchRefusal?
}

/// Why a participant voted no, as only this process knows it.
struct BranchRefusal: Sendable {
    let failure: BranchFailure
    /// The error that the closure threw, if it did.
    let thrownError: (any Error)?
}

/// The end of a call, for which the next call waits.
private final class CallEnd: Sendable {
    private struct State: Sendable {
        var isOver = false
        var waiting: CheckedContinuation<Void, Never>?
    }

    private let state = Lock(State())

    /// Returns once `signal` was called; at most one caller waits.
    func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if !state.isOver { state.waiting = continuation }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
    }

    func signal() {
        let waiting = state.withLock { state in
            defer { state.waiting = nil }
            state.isOver = true
            return state.waiting
        }
        waiting?.resume()
    }
}
