package import CommitProtocol
package import EventLoop
package import Logging
import PostgresClient
package import TransactionEngine

/// The decision log in `tandem.transactions`.
@LoopActor
package final class PostgresDecisionLog: DecisionLog {
    /// The loop of the state database's sessions.
    package nonisolated let loop: EventLoop
    /// The installation's UUID.
    package nonisolated let installation: String
    /// This replica's name.
    package nonisolated let replica: String
    /// The epoch of this incarnation, which every write checks.
    package nonisolated let epoch: Int64
    let state: StateDatabase
    let logger: Logger
    private let writer: StateWriter
    private let numbers: TransactionNumbers
    private let makeSalt: @Sendable () -> UInt64

    /// Makes the log of an open state database.
    ///
    /// - Parameter makeSalt: Makes the part of an id that nobody can guess.
    package init(
        _ state: StateDatabase, observer: (any LogObserver)? = nil, logger: Logger,
        makeSalt: @escaping @Sendable () -> UInt64
    ) {
        self.state = state
        loop = state.loop
        installation = state.installation
        replica = state.options.replica
        epoch = state.epoch
        self.logger = logger
        self.makeSalt = makeSalt
        writer = StateWriter(state: state, observer: observer, logger: logger)
        numbers = TransactionNumbers(state: state)
    }

    /// Records that wait for the next flush.
    package var waitingRecordCount: Int { writer.waitingCount }

    /// An unused id, from a block of numbers: at once, unless the next block is still on its way.
    package func nextTransactionID(
        then completion: @escaping Completion<Result<GlobalTransactionID, LogUnavailable>>
    ) {
        numbers.next { [makeSalt] number in
            completion(number.map { GlobalTransactionID(number: $0, salt: makeSalt()) })
        }
    }

    /// Writes one record with the next flush.
    package func perform(
        _ write: LogWrite, then completion: @escaping Completion<LogAnswer>
    ) {
        writer.perform(write, then: completion)
    }

    /// Records a finish that this replica has seen; a row that is finished already stays as it is.
    package func recordFinish(_ record: TransactionRecord) async throws(LogUnavailable) {
        let command = FlushStatement.finishSeen(record)
        try await checked {
            try await state.readers.withConnection(timeout: .seconds(1)) { connection in
                _ = try await StateDatabase.write([command], on: connection, timeout: .seconds(1))
            }
        }
    }

    /// What a read returns.
    func rows<Value>(
        _ sql: String, _ parameters: [String?] = [], as format: RowFormat<Value>
    ) async throws(LogUnavailable) -> [Value] {
        format.rows(of: try await checked { try await state.read(sql, parameters) })
    }

    /// What one durable write returns; `parameters` is called once there is a session to send it
    /// on.
    func written<Value>(
        _ sql: String, as format: RowFormat<Value>, parameters: @LoopActor () async -> [String?]
    ) async throws(LogUnavailable) -> [Value] {
        format.rows(of: try await checked { try await state.write(sql, parameters: parameters) })
    }

    /// Runs this with its error as callers may read it.
    ///
    /// Logs what the state database refuses, for an operator. That it is silent or gone is logged
    /// by the heartbeat, once for all.
    func checked<Result>(
        _ body: () async throws -> Result
    ) async throws(LogUnavailable) -> Result {
        do {
            return try await body()
        } catch {
            let found = StateDatabaseError(error)
            if case .refused = found {
                logger.error(
                    "the state database refused a statement", metadata: ["error": "\(found)"])
            }
            throw LogUnavailable(error)
        }
    }
}
