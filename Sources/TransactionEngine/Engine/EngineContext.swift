import EventLoop
import Logging

/// What every part of the engine is given.
@LoopActor
struct EngineContext {
    let ports: EnginePorts
    let encoding: OutcomeEncoding
    let limits: EngineLimits
    let logger: Logger
    let table: TransactionTable

    var log: any DecisionLog { ports.log }
    var participants: any Participants { ports.participants }
    var clock: any EngineClock { ports.clock }
    var signals: any ReplicaSignals { ports.signals }

    /// Starts a task, for what is rare or has to wait for a read.
    func spawn(_ body: @escaping @LoopActor @Sendable () async -> Void) {
        log.loop.spawn(body)
    }
}
