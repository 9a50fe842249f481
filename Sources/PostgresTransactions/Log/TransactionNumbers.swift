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

    func next() async throws(LogUnavailable) -> Int64 {
        while true {
            if generation != state.identity.generation {
                // A server that was rewound may hand out the numbers of these blocks again.
                (current, following, generation) = (nil, nil, state.identity.generation)
            }
            if current == nil { (current, following) = (following, nil) }
            if let block = current {
                let number = block.lowerBound
                current = number < block.upperBound ? (number + 1)...block.upperBound : nil
                if following == nil, block.count < blockSize / 2 { _ = fetching() }
                return number
            }
            do {
                try await fetching().value
            } catch {
                throw LogUnavailable(error)
            }
        }
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
