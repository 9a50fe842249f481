import AccessControl
import CommitProtocol
import CoordinatorAPI
import EventLoop
import HTTPServer
import Logging
import OperatorConsole
import PostgresClient
import PostgresTransactions
import TransactionEngine
import TransactionMetrics

import struct CoordinatorAPI.Readiness

/// One running replica: the composition root, which connects the engine to its ports.
@LoopActor
final class Replica {
    let port: UInt16
    let state: StateDatabase
    let engine: TransactionEngine
    private let configuration: Configuration
    private let participants: PostgresParticipants
    private let signals: StateSignals
    private let server: Server
    private let traces: TraceExport?
    private let certificate: CertificateFiles?
    private let logger: Logger
    private let draining: Lock<Bool>
    private let duties: ReplicaDuties
    private let queueReader: Task<Void, Never>
    private let certificateFollower: Task<Void, Never>?
    private let access: ReplicaAccess
    private let webhook: OperatorWebhook?
    private let controlPoints: ControlPointGate?

    private init(
        _ configuration: Configuration, state: StateDatabase,
        participants: PostgresParticipants, access: AccessTable?, metrics: ServerMetrics,
        traces: TraceExport?, certificate: CertificateFiles?, controlPoints: ControlPointGate?,
        isObserved: Bool, logger: Logger
    ) throws {
        self.controlPoints = controlPoints
        self.configuration = configuration
        self.state = state
        self.participants = participants
        self.traces = traces
        self.logger = logger
        let log = PostgresDecisionLog(
            state, observer: metrics.log, logger: logger, makeSalt: BufferedRandom().next)
        signals = StateSignals(state, logger: logger)
        let ports = try Self.gatedPorts(log, participants, by: controlPoints)
        let clock = LoopClock(.shared)
        let console =
            configuration.console == .off
            ? nil
            : ConsoleObserver(
                clock: clock, streamsMax: configuration.limits.consoleStreams)
        let observers: [(any EngineObserver)?] = [metrics.engine, traces?.spans, console]
        engine = TransactionEngine(
            ports: EnginePorts(
                log: ports.0, participants: ports.1, clock: clock, signals: signals,
                observers: isObserved ? observers.compactMap(\.self) : [],
                random: { .random(in: $0) }),
            encoding: .json, limits: configuration.engineLimits, logger: logger)
        duties = ReplicaDuties(
            engine: engine, log: log, participants: participants,
            retention: configuration.retentionOptions, signals: signals, clock: clock,
            logger: logger)
        participants.onAnswering = { [engine] name in
            Task(executorPreference: EventLoop.shared) { await engine.participantAnswers(name) }
        }
        let interval = Duration.milliseconds(configuration.metrics.queueIntervalMilliseconds)
        queueReader = Task(executorPreference: EventLoop.shared) { [engine] in
            await metrics.readQueuesContinuously(
                of: engine, every: interval, clock: clock)
        }
        webhook = OperatorWebhook(
            configuration, state: state, engine: engine, metrics: metrics.webhook, clock: clock,
            logger: logger)
        participants.onDeadlock = { metrics.engine.countDeadlock(participantCount: $0) }
        let draining = Lock(false)
        self.draining = draining
        let readiness: @Sendable () async -> Readiness = {
            await Readiness(of: state, isDraining: draining.withLock { $0 })
        }
        self.access = ReplicaAccess(
            configuration, access, state: state, metrics: metrics, clock: clock)
        let interface = ReplicaInterface(
            configuration: configuration, engine: engine, state: state, clock: clock,
            console: console, metrics: metrics, traces: traces,
            authorizer: self.access.authorizer,
            controlPoints: controlPoints.map {
                ControlPointsAPI(points: $0, participants: participants.names)
            }, readiness: readiness)
        self.certificate = certificate
        certificateFollower = certificate?.follow(every: .seconds(10), clock, logger)
        server = Server(
            configuration: configuration.servedWithinDescriptors(certificate, logger),
            loop: .shared, renderFailure: CoordinatorAPI.render,
            handler: interface.router.handle)
        port = try server.start()
    }

    /// Opens the state database, connects to the participants, listens, and begins to recover.
    ///
    /// - Parameters:
    ///   - controlPoints: for a rehearsal; nil in a coordinator that is in use.
    ///   - isObserved: whether metrics, console and traces hear of transactions; false to measure what
    ///     they cost.
    static func start(
        _ configuration: Configuration, logger: Logger, controlPoints: ControlPointGate? = nil,
        isObserved: Bool = true
    ) async throws -> Replica {
        // First, because a process that cannot listen must not take the name from one that does.
        try configuration.serverConfiguration.checkAddress()
        let certificate = try configuration.listen.tls.map { try CertificateFiles($0) }
        let access = try configuration.access.file.map(AccessFile.read)
        let state = try await StateDatabase.open(
            configuration.stateOptions, loop: .shared, logger: logger)
        let metrics = ServerMetrics(
            participants: configuration.participants.map(\.name), isMeasuring: isObserved)
        let options = configuration.participantOptions.map {
            var options = $0
            options.observePool = metrics.pools(of: options.name)
            return options
        }
        let participants = try PostgresParticipants(
            options, state: state, queueMax: configuration.limits.queued, logger: logger)
        let replica = try Replica(
            configuration, state: state, participants: participants, access: access,
            metrics: metrics,
            traces: isObserved ? TraceExport(configuration, logger: logger) : nil,
            certificate: certificate, controlPoints: controlPoints, isObserved: isObserved,
            logger: logger)
        replica.duties.start()
        replica.traces?.start()
        if let webhook = replica.webhook {
            webhook.start()
        } else {
            // An earlier process of this name may have seen what this one does not look for.
            try? await AlertTable(state, limits: AlertTable.Limits()).withdraw()
        }
        logger.notice(
            "serving",
            metadata: [
                "url":
                    "\(configuration.listen.scheme)://\(configuration.listen.hostInAddress):\(replica.port)",
                "replica": "\(configuration.replica.name)", "epoch": "\(state.epoch)",
                "installation": "\(state.installation)",
            ])
        return replica
    }

    /// Reads the files again that may change while it runs.
    func reload() async {
        await certificate?.reload(logger)
        await access.readNow()
    }

    /// Stops in order: readiness fails, new connections are refused, and requests and then running
    /// transactions get the grace period each; the next process finishes what is decided and not finished.
    func stop() async -> Bool {
        draining.withLock { $0 = true }
        controlPoints?.removeAll()
        let grace = Duration.seconds(configuration.shutdownGraceSeconds)
        let answered = await server.drain(within: grace)
        let ended = await engine.drain(within: answered ? grace : .seconds(1))
        duties.stop()
        queueReader.cancel()
        await webhook?.stop()
        certificateFollower?.cancel()
        access.stop()
        await participants.close()
        await state.close()
        await traces?.stop()
        logger.notice("stopped", metadata: ["everythingEnded": "\(answered && ended)"])
        return answered && ended
    }
}

extension Readiness {
    /// Whether a replica with this state database can serve.
    fileprivate init(of state: StateDatabase, isDraining: Bool) async {
        self.init(
            stateFailure: await state.failure.map {
                StateFailure(summary: $0.sentence, description: $0.description)
            }, isDraining: isDraining, quarantineReason: await state.quarantineReason)
    }
}
