public import CommitProtocol
public import EventLoop
public import Logging
import PostgresClient
public import TransactionEngine

/// The decision log in `tandem.transactions`.
@LoopActor
public final class PostgresDecisionLog: DecisionLog {
    /// The installation's UUID.
    public nonisolated let installation: String
    /// This replica's name.
    public nonisolated let replica: String
    /// The epoch that guards every write.
    public nonisolated let epoch: Int64
    let state: StateDatabase
    let logger: Logger
    private let writer: StateWriter
    private let numbers: TransactionNumbers

    /// Makes the log of an open state database.
    public init(_ state: StateDatabase, logger: Logger) {
        self.state = state
        installation = state.installation
        replica = state.options.replica
        epoch = state.epoch
        self.logger = logger
        writer = StateWriter(state: state, logger: logger)
        numbers = TransactionNumbers(state: state)
    }

    /// An unused id, from a block of numbers.
    public func nextTransactionID() async throws(LogUnavailable) -> GlobalTransactionID {
        let number = try await numbers.next()
        return GlobalTransactionID(number: number, salt: UInt64.random(in: .min ... .max))
    }

    /// Writes one record with the next flush.
    public func perform(_ write: LogWrite) async -> LogAnswer {
        await writer.perform(write)
    }

    /// Records an end that was seen; a row that is finished already keeps what it says.
    public func recordEnd(_ record: TransactionRecord) async throws(LogUnavailable) {
        let command = WriterStatements.finish([record])
        do {
            try await state.readers.withConnection(timeout: .seconds(1)) { connection in
                _ = try await StateDatabase.write([command], on: connection, timeout: .seconds(1))
            }
        } catch {
            throw unavailable(error)
        }
    }

    /// Tells an operator what the state database refuses, and a caller that it does.
    ///
    /// That it is silent or gone is told by the heartbeat, once for all.
    func unavailable(_ error: any Error) -> LogUnavailable {
        let found = StateDatabaseError(error)
        if case .refused = found {
            logger.error("a statement was not done", metadata: ["error": "\(found)"])
        }
        return LogUnavailable(error)
    }

    func rows(
        _ sql: String, _ parameters: [String?]
    ) async throws(LogUnavailable) -> CommandResult {
        do {
            return try await state.read(sql, parameters)
        } catch {
            throw unavailable(error)
        }
    }

    /// One durable write.
    func written(
        _ sql: String, _ parameters: [String?]
    ) async throws(LogUnavailable) -> CommandResult {
        do {
            return try await state.write(sql, parameters)
        } catch {
            throw unavailable(error)
        }
    }

    /// Rows as a durable write of one's own answers them; the parameters are asked for when there is
    /// a session to send them on.
    func claimed(
        _ sql: String, parameters: @LoopActor () async -> [String?]
    ) async throws(LogUnavailable) -> [TransactionRecord] {
        let result: CommandResult
        do {
            result = try await state.write(sql, parameters: parameters)
        } catch {
            throw unavailable(error)
        }
        return (0..<result.rowCount).compactMap { RowCoding.record(result, $0) }
    }

    func records(
        _ sql: String, _ parameters: [String?]
    ) async throws(LogUnavailable) -> [TransactionRecord] {
        let result = try await rows(sql, parameters)
        return (0..<result.rowCount).compactMap { RowCoding.record(result, $0) }
    }
}

/// Numbers for ids, taken from the sequence a thousand at a time, the next block ahead of need.
@LoopActor
final class TransactionNumbers {
    private let state: StateDatabase
    private var current: ClosedRange<Int64>?
    private var ahead: ClosedRange<Int64>?
    private var fetch: Task<Void, any Error>?
    private var generation = 0
    private let blockSize: Int64 = 1000

    init(state: StateDatabase) {
        self.state = state
    }

    func next() async throws(LogUnavailable) -> Int64 {
        while true {
            if generation != state.identity.generation {
                // Numbers of a server that may have been rewound may be handed out again.
                (current, ahead, generation) = (nil, nil, state.identity.generation)
            }
            if current == nil, let ready = ahead {
                current = ready
                ahead = nil
            }
            if let block = current {
                let number = block.lowerBound
                current = number < block.upperBound ? (number + 1)...block.upperBound : nil
                if ahead == nil, block.count < blockSize / 2 { _ = fetching() }
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
            let row = try await state.read("SELECT nextval('tandem.transaction_numbers')", [])
            guard before == state.identity.generation else {
                throw LogUnavailable("the state database has changed meanwhile")
            }
            guard let first = row.text(row: 0, column: 0).flatMap(Int64.init) else {
                throw LogUnavailable("the sequence answered no number")
            }
            ahead = first...(first + blockSize - 1)
        }
        fetch = task
        return task
    }
}
