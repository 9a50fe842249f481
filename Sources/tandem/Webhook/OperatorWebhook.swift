import EventLoop
import Logging
import PostgresTransactions
import TransactionEngine
import TransactionMetrics

/// Notifies operators of what needs them, and when it is over, by a webhook.
///
/// Every replica looks and sends. The state database sees to it that each message is sent once; see
/// `AlertTable`. While it does not answer, nothing is sent.
@LoopActor
final class OperatorWebhook {
    private let settings: Configuration.Webhook
    private let table: AlertTable
    private let sender: WebhookSender
    private let engine: TransactionEngine
    private let metrics: WebhookMetrics
    private let clock: any EngineClock
    private let installation: String
    private let replica: String
    private let logger: Logger
    /// Since when a participant has not answered, by the monotonic clock.
    private var silentSince: [String: Int64] = [:]
    private var running: Task<Void, Never>?

    /// Makes a webhook; nil if none is configured.
    init?(
        _ configuration: Configuration, state: StateDatabase, engine: TransactionEngine,
        metrics: WebhookMetrics, clock: any EngineClock, logger: Logger
    ) {
        let settings = configuration.webhook
        guard let receiver = settings.receiver else { return nil }
        self.settings = settings
        var limits = AlertTable.Limits()
        limits.inDoubt = .seconds(settings.inDoubtSeconds)
        limits.openMax = settings.openAlerts
        limits.retry = .seconds(settings.retryHours * 3600)
        limits.pause = .seconds(settings.retrySeconds)
        table = AlertTable(state, limits: limits)
        sender = WebhookSender(receiver, timeout: .seconds(settings.timeoutSeconds))
        self.engine = engine
        self.metrics = metrics
        self.clock = clock
        installation = state.installation
        replica = configuration.replica.name
        self.logger = logger
    }

    /// Begins to look and to send.
    func start() {
        running = Task(executorPreference: EventLoop.shared) { [weak self] in
            while !Task.isCancelled {
                guard let self else { return }
                await self.look()
                await self.deliver()
                try? await Task.sleep(for: .milliseconds(self.settings.intervalMilliseconds))
            }
        }
    }

    /// Stops; what is due is sent by another replica, or by the next process.
    func stop() async {
        running?.cancel()
        await running?.value
    }

    // MARK: Looking

    private func look() async {
        let statuses = await engine.participantStatuses()
        let sightings = lost(statuses) + statuses.flatMap { reported(in: $0.name) }
        let names = Set(statuses.map(\.name))
        let silent = Set(statuses.filter { !$0.isAvailable }.map(\.name))
        // What is prepared there is known once a scan has gone through.
        let unscanned = names.filter { silent.contains($0) || !engine.hasScanned($0) }
        do {
            try await table.update(sightings: sightings) { alert in
                let name = String(alert.subject.prefix { $0 != "/" })
                return alert.kind == .participantLost
                    ? silent.contains(name) : unscanned.contains(name)
            }
            let abandoned = try await table.giveUp()
            if abandoned > 0 {
                metrics.count(.abandoned, abandoned)
                logger.error(
                    "gave up messages to operators: the receiver of the webhook accepts none",
                    metadata: ["count": "\(abandoned)", "hours": "\(settings.retryHours)"])
            }
            metrics.setUndelivered(try await table.countUndelivered())
        } catch {
            metrics.setUndelivered(nil)
            logger.warning(
                "could not look for what operators have to know", metadata: ["error": "\(error)"]
            )
        }
    }

    /// The participants that have not answered for too long.
    private func lost(_ statuses: [ParticipantStatus]) -> [AlertTable.Sighting] {
        let now = clock.milliseconds
        silentSince = Dictionary(
            uniqueKeysWithValues: statuses.filter { !$0.isAvailable }.map {
                ($0.name, silentSince[$0.name] ?? now)
            })
        return statuses.compactMap { status in
            guard let since = silentSince[status.name],
                now - since >= Int64(settings.lostSeconds) * 1000
            else { return nil }
            return AlertTable.Sighting(
                kind: .participantLost, subject: status.name, detail: status.lastError ?? "",
                age: .milliseconds(now - since))
        }
    }

    private func reported(in participant: String) -> [AlertTable.Sighting] {
        engine.reportedTransactions(in: participant).map {
            AlertTable.Sighting(
                kind: .preparedNeedsOperator, subject: "\(participant)/\($0.gid)",
                detail: $0.reason,
                age: .seconds(max(0, (clock.wallTime - $0.preparedAt) / 1_000_000)))
        }
    }

    // MARK: Delivering

    /// Sends what is due; after a while the rest waits for the next look.
    private func deliver() async {
        let end = clock.milliseconds + Int64(settings.intervalMilliseconds)
        do {
            while !Task.isCancelled, clock.milliseconds < end, let message = try await table.next()
            {
                let sent = WebhookMessage(
                    message, installation: installation, replica: replica,
                    console: settings.console,
                    at: clock.wallTime)
                if let reason = await sender.send(sent, at: clock.wallTime / 1_000_000) {
                    guard !Task.isCancelled else { return }
                    metrics.count(.failed, 1)
                    logger.warning(
                        "the receiver of the webhook did not take a message; it is sent again",
                        metadata: [
                            "message": "\(sent.id)", "attempt": "\(message.attempt)",
                            "reason": "\(reason)",
                        ])
                } else {
                    metrics.count(.accepted, 1)
                    try await table.delivered(message)
                }
            }
        } catch {
            logger.warning(
                "could not read what operators have to know", metadata: ["error": "\(error)"])
        }
    }
}
