import EventLoop
import PostgresClient
import TransactionEngine

/// The numbers of new transactions, taken from the sequence a thousand at a time; the next block is
/// fetched before this one is used up.
@LoopActor
final class TransactionNumbers {
    private static let next = RowFormat {
        $0.value("nextval('tandem.transaction_numbers')", as: Int64.self)
    }

    private let state: StateDatabase
    private var current: ClosedRange<Int64>?
    private var following: ClosedRange<Int64>?
    private var fetch: Task<Void, any Error>?
    private var generation = 0
    private let blockSize: Int64 = 1000

    init(state: StateDatabase) {
        self.state = state
    }

    /// Hands over the next number: at once, unless the next block is still on its way.
    func next(then completion: @escaping Completion<Result<Int64, LogUnavailable>>) {
        if let number = take() { return completion(.success(number)) }
        state.loop.spawn { await self.next(afterFetchingThen: completion) }
    }

    private func next(
        afterFetchingThen completion: @escaping Completion<Result<Int64, LogUnavailable>>
    ) async {
        do {
            try await fetching().value
        } catch {
            return completion(.failure(LogUnavailable(error)))
        }
        // Others may have waited for the same block, and used it up.
        next(then: completion)
    }

    /// The next number of the blocks that are here, if there is one.
    private func take() -> Int64? {
        if generation != state.identity.generation {
            // A server that was rewound may hand out the numbers of these blocks again.
            (current, following, generation) = (nil, nil, state.identity.generation)
        }
        if current == nil { (current, following) = (following, nil) }
        guard let block = current else { return nil }
        let number = block.lowerBound
        current = number < block.upperBound ? (number + 1)...block.upperBound : nil
        if following == nil, block.count < blockSize / 2 { _ = fetching() }
        return number
    }

    private func fetching() -> Task<Void, any Error> {
        if let fetch { return fetch }
        let task = Task { @LoopActor in
            defer { fetch = nil }
            let before = state.identity.generation
            let result = try await state.read("SELECT \(Self.next.columns)", [])
            guard before == state.identity.generation else {
                throw LogUnavailable("the state database has changed meanwhile")
            }
            guard let first = Self.next.first(of: result) else {
                throw LogUnavailable("the sequence returned no number")
            }
            following = first...(first + blockSize - 1)
        }
        fetch = task
        return task
    }
}
