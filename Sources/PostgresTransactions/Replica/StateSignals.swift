import CommitProtocol
package import EventLoop
package import Logging
import PostgresClient
package import TransactionEngine

/// Signals between replicas, by NOTIFY on one connection that listens.
///
/// A flush never notifies: a transaction that does holds a lock of the whole database through its
/// commit, so the flushes of all replicas would have to wait for each other. Signals are sent by
/// themselves, only for transactions that a caller waits for, and write nothing to the log.
@LoopActor
package final class StateSignals: ReplicaSignals {
    static let channel = "tandem"

    private let state: StateDatabase
    private let logger: Logger
    private var connection: PostgresConnection?
    private var timer: LoopTimer?
    private var isClosed = false
    private var receive: (@Sendable (ReplicaSignal?) -> Void)?

    /// Makes signals over an open state database.
    package init(_ state: StateDatabase, logger: Logger) {
        self.state = state
        self.logger = logger
    }

    /// Begins to listen, and listens again whenever the connection was lost; `receive` gets nil if
    /// signals may have been missed.
    package func listen(_ receive: @escaping @Sendable (ReplicaSignal?) -> Void) {
        self.receive = receive
        Task { await keepListening() }
    }

    /// Sends a signal to every replica.
    package func send(_ signal: ReplicaSignal) async {
        do {
            _ = try await state.read(
                "SELECT pg_notify($1, $2)", [Self.channel, Self.text(of: signal)])
        } catch {
            logger.debug("could not send a signal", metadata: ["error": "\(error)"])
        }
    }

    /// Connects if need be, and checks whether a quiet connection is still there.
    private func keepListening() async {
        guard !isClosed else { return }
        var delay = state.options.heartbeat
        do {
            if let connection, connection.isOpen {
                _ = try await connection.query("SELECT 1", timeout: state.timeout)
            } else {
                try await connect()
            }
        } catch {
            connection?.close()
            delay = .milliseconds(500)
            logger.debug("cannot listen for signals", metadata: ["error": "\(error)"])
        }
        schedule(after: delay)
    }

    private func connect() async throws {
        let fresh = try await state.connect()
        guard !isClosed else { return fresh.close() }
        connection = fresh
        fresh.onNotification = { [weak self] _, payload in
            guard let signal = Self.signal(of: payload) else { return }
            self?.receive?(signal)
        }
        fresh.onClose = { [weak self] _ in self?.schedule(after: .milliseconds(200)) }
        _ = try await fresh.query("LISTEN \(Self.channel)", timeout: state.timeout)
        receive?(nil)
    }

    private func schedule(after delay: Duration) {
        timer?.cancel()
        guard !isClosed else { return }
        timer = state.loop.schedule(after: delay) { [weak self] in
            Task { await self?.keepListening() }
        }
    }

    /// Stops listening.
    package func close() {
        isClosed = true
        timer?.cancel()
        connection?.close()
    }

    nonisolated static func text(of signal: ReplicaSignal) -> String {
        switch signal {
        case .watch(let id): "watch \(id)"
        case .finished(let id): "finished \(id)"
        case .rollBack(let id): "rollBack \(id)"
        case .resolved(let id): "resolved \(id)"
        case .retry(let id): "retry \(id)"
        }
    }

    /// Reads a signal; nil for anything that `text` would not have written.
    ///
    /// Every role may send on the channel, so a signal proves nothing: only the log is acted on.
    nonisolated static func signal(of text: String) -> ReplicaSignal? {
        let parts = text.split(separator: " ")
        guard parts.count == 2, let id = GlobalTransactionID(parts[1]) else { return nil }
        switch parts[0] {
        case "watch": return .watch(id)
        case "finished": return .finished(id)
        case "rollBack": return .rollBack(id)
        case "resolved": return .resolved(id)
        case "retry": return .retry(id)
        default: return nil
        }
    }
}
