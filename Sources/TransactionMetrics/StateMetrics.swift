package import Metrics
package import TransactionEngine

/// What a replica holds in memory at one moment.
package struct ReplicaState: Sendable {
    /// Transactions that it coordinates.
    package var inFlight = 0
    /// Requests that wait for sessions.
    package var waitingRequestCount = 0
    /// Records that wait for the next batched log write.
    package var waitingRecordCount = 0
    /// What is known of each participant.
    package var participants: [ParticipantStatus] = []
    /// Whether the last heartbeat was written; true without a state database.
    package var isStateDatabaseUp = true
    /// Whether the state database is in quarantine.
    package var isQuarantined = false
    /// The hazards of the state database's server; nil until they are known.
    package var stateHazards: HazardSurvey?

    package init() {}

    /// Reads all that the engine has; no database is asked.
    package init(of engine: TransactionEngine) async {
        inFlight = await engine.inFlight
        waitingRequestCount = await engine.waitingRequestCount
        waitingRecordCount = await engine.waitingRecordCount
        participants = await engine.participantStatuses()
    }
}

/// The gauges of what a replica holds in memory, set when they are read.
package struct StateMetrics: Sendable {
    private let inFlight: Gauge
    private let requestsWaiting: Gauge
    private let recordsWaiting: Gauge
    private let stateDatabaseUp: Gauge
    private let quarantined: Gauge
    private let stateHazards: [Hazard.Kind: Gauge]
    private let participants: [String: ParticipantGauges]

    /// Makes the gauges, with the names of the configured participants as values of labels.
    package init(participants names: [String], factory: any MetricsFactory) {
        inFlight = Metric.inFlight.gauge(in: factory)
        requestsWaiting = Metric.requestsWaiting.gauge(in: factory)
        recordsWaiting = Metric.recordsWaiting.gauge(in: factory)
        stateDatabaseUp = Metric.stateDatabaseUp.gauge(in: factory)
        quarantined = Metric.quarantined.gauge(in: factory)
        stateHazards = Dictionary(
            uniqueKeysWithValues: Hazard.Kind.ofStateDatabase.map {
                ($0, Metric.stateHazard.gauge($0.labelValue, in: factory))
            })
        participants = Dictionary(
            names.map { ($0, ParticipantGauges($0, factory)) }, uniquingKeysWith: { $1 })
    }

    /// Sets every gauge.
    package func set(_ state: ReplicaState) {
        inFlight.record(state.inFlight)
        requestsWaiting.record(state.waitingRequestCount)
        recordsWaiting.record(state.waitingRecordCount)
        stateDatabaseUp.record(state.isStateDatabaseUp ? 1 : 0)
        quarantined.record(state.isQuarantined ? 1 : 0)
        for (kind, gauge) in stateHazards { gauge.record(state.stateHazards.presence(of: kind)) }
        for status in state.participants { participants[status.name]?.set(status) }
    }
}

/// The gauges of one participant; what is not known yet is not a number.
private struct ParticipantGauges: Sendable {
    private let up: Gauge
    private let size: Gauge
    private let idle: Gauge
    private let used: Gauge
    private let ownSlots: Gauge
    private let otherSlots: Gauge
    private let slotsLimit: Gauge
    private let prepared: Gauge
    private let foreign: Gauge
    private let oldest: Gauge
    private let xminAge: Gauge
    private let scannedAt: Gauge
    private let hazards: [Hazard.Kind: Gauge]
    private let idsLeft: Gauge
    private let wraparound: Gauge

    init(_ name: String, _ factory: any MetricsFactory) {
        up = Metric.participantUp.gauge(name, in: factory)
        size = Metric.poolSize.gauge(name, in: factory)
        idle = Metric.poolConnections.gauge(name, "idle", in: factory)
        used = Metric.poolConnections.gauge(name, "used", in: factory)
        ownSlots = Metric.slotsUsed.gauge(name, "own", in: factory)
        otherSlots = Metric.slotsUsed.gauge(name, "others", in: factory)
        slotsLimit = Metric.slotsLimit.gauge(name, in: factory)
        prepared = Metric.prepared.gauge(name, in: factory)
        foreign = Metric.foreign.gauge(name, in: factory)
        oldest = Metric.oldestPrepared.gauge(name, in: factory)
        xminAge = Metric.xminAge.gauge(name, in: factory)
        scannedAt = Metric.scannedAt.gauge(name, in: factory)
        hazards = Dictionary(
            uniqueKeysWithValues: Hazard.Kind.allCases.map {
                ($0, Metric.hazard.gauge(name, $0.labelValue, in: factory))
            })
        idsLeft = Metric.transactionIDsLeft.gauge(name, in: factory)
        wraparound = Metric.wraparound.gauge(name, in: factory)
    }

    func set(_ status: ParticipantStatus) {
        up.record(status.isAvailable ? 1 : 0)
        size.record(status.poolSize)
        idle.record(status.idle)
        used.record(status.connections - status.idle)
        let slots = status.slots
        ownSlots.record(Double(slots?.own))
        otherSlots.record(Double(slots?.others))
        slotsLimit.record(Double(slots?.limit))
        let survey = status.survey
        prepared.record(Double(survey?.count))
        foreign.record(Double(survey?.foreignCount))
        oldest.record(survey.map { $0.oldestAgeSeconds ?? 0 } ?? .nan)
        xminAge.record(Double(survey.map { $0.oldestXminAge ?? 0 }))
        scannedAt.record(survey.map { Double($0.at) / 1_000_000 } ?? .nan)
        for (kind, gauge) in hazards { gauge.record(status.hazards.presence(of: kind)) }
        idsLeft.record(Double(status.hazards?.transactionIDsLeft))
        wraparound.record(status.hazards?.secondsToWraparound ?? .nan)
    }
}

extension HazardSurvey? {
    /// 1 if a server has the hazard, 0 if not; not a number if that is not known.
    fileprivate func presence(of kind: Hazard.Kind) -> Double {
        map { $0.hazards.contains { $0.kind == kind } ? 1 : 0 } ?? .nan
    }
}

extension Double {
    /// Not a number if the value is not known.
    fileprivate init(_ value: Int?) { self = value.map { Double($0) } ?? .nan }
}
