import EventLoop
import TransactionEngine

/// Notices branches of one participant that wait for locks.
///
/// It knows every session with a branch in it, and asks the server when some are late: see
/// `ProbeSchedule`. It polls, since PostgreSQL reports no lock waits. What it finds goes to the sessions,
/// which notice when their own transaction blocks them, and to the `DeadlockDetector`.
@LoopActor
final class LockWatch {
    private struct Entry {
        let session: any WatchedSession
        let begun: ContinuousClock.Instant
    }

    /// The participant's name.
    let participant: String
    /// Sees the readings of all participants.
    weak var detector: DeadlockDetector?
    private let loop: EventLoop
    private let server: @LoopActor () -> String?
    private let ask: @LoopActor ([Int32]) async throws -> LockListing
    private let read = NextRun<LockReading?>()
    private var schedule: ProbeSchedule
    private var entries: [Int32: Entry] = [:]
    private var timer: LoopTimer?
    private var isProbing = false

    /// Makes a watch.
    ///
    /// - Parameters:
    ///   - lockTimeout: how long PostgreSQL lets a session wait; 0 for ever.
    ///   - server: the system identifier of the server that answered last.
    ///   - ask: finds out which of these server processes wait.
    init(
        participant: String, lockTimeout: Duration, loop: EventLoop,
        server: @escaping @LoopActor () -> String?,
        ask: @escaping @LoopActor ([Int32]) async throws -> LockListing
    ) {
        self.participant = participant
        schedule = ProbeSchedule(lockTimeout: lockTimeout)
        self.loop = loop
        self.server = server
        self.ask = ask
    }

    /// The sessions with a branch in them; some have voted.
    var sessions: [any WatchedSession] { entries.values.map(\.session) }

    /// The participant's server, as far as it is known.
    var systemIdentifier: String? { server() }

    /// A branch begins to work in the session with this server process.
    func begin(_ session: any WatchedSession, _ processID: Int32) {
        entries[processID] = Entry(session: session, begun: loop.now)
        scheduleProbe()
    }

    /// The branch has left the session.
    func end(_ processID: Int32) {
        entries[processID] = nil
        if entries.isEmpty { detector?.forgetReading(of: participant) }
    }

    /// A branch that begins later is due later, so a timer that is set already comes in time.
    private func scheduleProbe() {
        guard timer == nil, !isProbing,
            let next = schedule.next(
                begun: entries.values.lazy.filter { $0.session.isWorking }.map(\.begun))
        else { return }
        timer = loop.schedule(after: max(loop.now.duration(to: next), .zero)) { [weak self] in
            self?.passTimer()
        }
    }

    private func passTimer() {
        timer = nil
        guard !late.isEmpty else { return scheduleProbe() }
        isProbing = true
        Task(executorPreference: loop) { await self.probeOnTime() }
    }

    private func probeOnTime() async {
        _ = await probe()
        detector?.exchange(after: self)
        isProbing = false
        scheduleProbe()
    }

    private var late: [Int32] {
        let now = loop.now
        return entries.filter { $1.session.isWorking && schedule.isLate($1.begun, at: now) }
            .map(\.key)
    }

    /// Asks the server; nil if it does not answer.
    ///
    /// The reading begins after the call. There is never more than one question at a time.
    func probe() async -> LockReading? {
        await read { [self] in
            let reading = await readNow()
            detector?.take(reading, of: participant)
            return reading
        }
    }

    private func readNow() async -> LockReading? {
        let before = known
        let own = late
        let others = detector?.processesElsewhere(for: self) ?? []
        let asked = loop.now
        var listing = LockListing(systemIdentifier: "", processes: [:])
        if !own.isEmpty || !others.isEmpty {
            let answer = try? await ask(own + others)
            guard let answer else {
                schedule.noteSilence(at: loop.now)
                return nil
            }
            schedule.noteAnswer(
                asked: asked, answered: loop.now, foundWaits: !answer.processes.isEmpty)
            listing = answer
        }
        let reading = LockReading(
            participant: participant, listing, before: before, after: known)
        for id in own where entries[id] != nil { reading.sessions[id]?.note(reading) }
        return reading
    }

    /// This replica's sessions with branches.
    private var known: [ServerProcess: any WatchedSession] {
        detector?.sessions ?? Self.byProcess(sessions)
    }

    /// Sessions by server process.
    static func byProcess(
        _ sessions: some Sequence<any WatchedSession>
    ) -> [ServerProcess: any WatchedSession] {
        var found: [ServerProcess: any WatchedSession] = [:]
        for session in sessions {
            guard let identity = session.identity else { continue }
            let process = ServerProcess(
                systemIdentifier: identity.systemIdentifier, processID: identity.processID)
            found[process] = session
        }
        return found
    }
}
