import EventLoop
import Logging
import PostgresClient
import TransactionEngine

/// Reads the hazards of one server now and then, and logs those that come and go.
@LoopActor
final class HazardWatch {
    /// What was read last; nil before the first time.
    private(set) var survey: HazardSurvey?
    private let purpose: Diagnostics.Purpose
    private let interval: Duration
    private let loop: EventLoop
    private let logger: Logger
    private let server: Logger.Metadata
    private var readAt: ContinuousClock.Instant?
    private var pace = TransactionIDPace()

    /// - Parameters:
    ///   - participant: the name of the participant; nil for the state database.
    ///   - interval: between two readings.
    init(participant: String?, every interval: Duration, loop: EventLoop, logger: Logger) {
        purpose = participant == nil ? .state : .participant
        server = participant.map { ["participant": "\($0)"] } ?? ["database": "state"]
        self.interval = interval
        self.loop = loop
        self.logger = logger
    }

    /// Reads them if the last reading is old enough; a failure is left to the next time.
    ///
    /// - Parameter processID: the server process that the session had when it was opened.
    func readIfDue(on connection: PostgresConnection, processID: Int32? = nil) async {
        if let readAt, readAt.duration(to: loop.now) < interval { return }
        readAt = loop.now
        let patience = Diagnostics.patience
        do {
            let reading = try await HazardReading.read(connection, timeout: patience)
            let jobs =
                purpose == .participant
                ? try await ScheduledJobs.read(reading, on: connection, timeout: patience)
                : ScheduledJobs()
            note(reading, reading.hazards(of: purpose, jobs, processID: processID))
        } catch {
            logger.debug(
                "could not read the hazards of a server",
                metadata: server.merging(["error": "\(error)"]) { $1 })
        }
    }

    private func note(_ reading: HazardReading, _ hazards: [Hazard]) {
        pace.note(reading.nextTransactionID, at: loop.now)
        let left = reading.transactionIDsLeft
        let before = survey?.hazards ?? []
        survey = HazardSurvey(
            hazards: hazards, transactionIDsLeft: left,
            secondsToWraparound: pace.seconds(for: left), at: Int64(WallClock.seconds) * 1_000_000)
        for hazard in hazards where !before.contains(where: hazard.isSame) {
            logger.log(
                level: hazard.kind.undoesCommits ? .error : .warning,
                "a server has what can undo two-phase commit", metadata: metadata(of: hazard))
        }
        for hazard in before where !hazards.contains(where: { $0.kind == hazard.kind }) {
            logger.notice("a hazard of a server is gone", metadata: metadata(of: hazard))
        }
    }

    private func metadata(of hazard: Hazard) -> Logger.Metadata {
        server.merging([
            "hazard": "\(hazard.kind.rawValue)", "cause": "\(hazard.cause)",
            "remedy": "\(hazard.remedy)",
        ]) { $1 }
    }
}

extension Hazard {
    /// The remedy may hold numbers that change all the time.
    fileprivate func isSame(as other: Hazard) -> Bool {
        kind == other.kind && cause == other.cause
    }
}
