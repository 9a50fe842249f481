import CoordinatorAPI
import EventLoop
import HTTPServer
import OperatorConsole
import PostgresTransactions
import TransactionEngine
import TransactionMetrics

import struct CoordinatorAPI.Readiness

/// What a replica serves: the REST interface, and the console unless it is off.
struct ReplicaInterface {
    let configuration: Configuration
    let engine: TransactionEngine
    let state: StateDatabase
    let clock: any EngineClock
    /// What the console hears of the engine; nil without a console.
    let console: ConsoleObserver?
    let metrics: ServerMetrics
    let traces: TraceExport?
    let authorizer: Authorizer
    /// For a rehearsal; nil in a coordinator that is in use.
    let controlPoints: ControlPointsAPI?
    let readiness: @Sendable () async -> Readiness

    /// All routes.
    var router: Router {
        let api = CoordinatorAPI(
            engine: engine, settings: configuration.apiSettings, authorizer: authorizer,
            metrics: { [engine, state, metrics] in
                var current = await ReplicaState(of: engine)
                current.isStateDatabaseUp = await state.failure == nil
                current.stateHazards = await state.hazards
                current.isQuarantined = await state.quarantineReason != nil
                return await metrics.render(current)
            }, readiness: readiness)
        var router = api.router(on: .shared, makeObserver: metrics.route)
        controlPoints?.add(to: &router)
        if let console {
            OperatorConsole(
                engine: engine, observer: console, clock: clock,
                replica: configuration.replica.name,
                isReadOnly: configuration.console == .readOnly, authorizer: authorizer,
                forwarded: configuration.forwardedFields, readiness: readiness,
                stateHazards: { [state] in await state.hazards }
            ).add(to: &router)
        }
        return router
    }
}
