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
    private let latestServer: @LoopActor () -> RunningServer?
    private let ask: @LoopActor ([Int32]) async throws -> LockListing
    private let read = NextRun<LockReading?>()
    private var schedule: ProbeSchedule
    /// In no order, and only as many as a pool has sessions: a branch that comes and goes is compared with
    /// a few others, and nothing is hashed or allocated for it.
    private var entries: [Entry] = []
    private var timer: LoopTimer?
    private var isProbing = false
    /// Whether the detector may have a reading of the participant.
    private var isRead = false

    /// Makes a watch.
    ///
    /// - Parameters:
    ///   - lockTimeout: how long PostgreSQL lets a session wait; 0 for ever.
    ///   - server: the server that answered last.
    ///   - ask: finds out which of these server processes wait.
    init(
        participant: String, lockTimeout: Duration, loop: EventLoop,
        server: @escaping @LoopActor () -> RunningServer?,
        ask: @escaping @LoopActor ([Int32]) async throws -> LockListing
    ) {
        self.participant = participant
        schedule = ProbeSchedule(lockTimeout: lockTimeout)
        self.loop = loop
        latestServer = server
        self.ask = ask
    }

    /// The sessions with a branch in them; some have voted.
    var sessions: [any WatchedSession] { entries.map(\.session) }

    /// The participant's server, as far as it is known.
    var server: RunningServer? { latestServer() }

    /// A branch begins to work in this session.
    ///
    /// It is due later than those that began before it, so a timer that is set comes in time for it as
    /// well: while branches come and go, one timer stands, and is set again only when it has passed.
    func begin(_ session: any WatchedSession) {
        entries.append(Entry(session: session, begun: loop.now))
        if timer == nil { scheduleProbe() }
    }

    /// The branch has left the session.
    func end(_ session: any WatchedSession) {
        // No closure, whose executor would be checked for each entry.
        for place in entries.indices where entries[place].session === session {
            entries.swapAt(place, entries.count - 1)
            entries.removeLast()
            break
        }
        guard entries.isEmpty, isRead else { return }
        isRead = false
        detector?.forgetReading(of: participant)
    }

    private func scheduleProbe() {
        guard timer == nil, !isProbing,
            let next = schedule.next(
                begun: entries.lazy.filter { $0.session.isWorking }.map(\.begun))
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

    private var late: [any WatchedSession] {
        let now = loop.now
        return entries.filter { $0.session.isWorking && schedule.isLate($0.begun, at: now) }
            .map(\.session)
    }

    /// Asks the server; nil if it does not answer.
    ///
    /// The reading begins after the call. There is never more than one question at a time.
    func probe() async -> LockReading? {
        await read { [self] in
            let reading = await readNow()
            isRead = true
            detector?.take(reading, of: participant)
            return reading
        }
    }

    private func readNow() async -> LockReading? {
        let before = known
        let own = late
        let others = detector?.processesElsewhere(for: self) ?? []
        let asked = loop.now
        var listing = LockListing(server: nil, processes: [:])
        if !own.isEmpty || !others.isEmpty {
            let answer = try? await ask(own.compactMap(\.process?.id) + others)
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
        for session in own {
            // It may have left since; then the process may be another branch's.
            guard let process = session.process, reading.sessions[process.id] === session,
                entries.contains(where: { $0.session === session })
            else { continue }
            session.note(reading)
        }
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
            if let process = session.process { found[process] = session }
        }
        return found
    }
}
