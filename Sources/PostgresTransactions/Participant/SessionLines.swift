import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// Waiting requests that need the same sessions, in the order in which they are served.
@LoopActor
final class SessionLine {
    /// The sessions that a line waits for, whatever the order of the branches.
    struct Need: Hashable {
        private struct Session: Hashable {
            let participant: String
            let commitMode: CommitMode
        }

        private let counts: [Session: Int]
        var participants: Set<String> { Set(counts.keys.map(\.participant)) }

        init(_ requests: [SessionRequest]) {
            counts = Dictionary(
                requests.map {
                    (Session(participant: $0.participant, commitMode: $0.commitMode), 1)
                }, uniquingKeysWith: +)
        }
    }

    let need: Need
    /// Requests whose transactions ran before, and all others; each in the order of arrival.
    private var again = Queue<SessionWaiter>()
    private var others = Queue<SessionWaiter>()

    init(_ need: Need) { self.need = need }

    /// The request that is served next.
    ///
    /// One that runs again has lost its locks to others, and its caller has waited longest.
    var first: SessionWaiter? { again.first ?? others.first }

    /// The ticket of the request that has waited longest, which may not be the first.
    ///
    /// The line has its place among the lines by this one: otherwise the requests that run again would put
    /// the rest of their line back.
    var oldest: Int { min(again.first?.ticket ?? .max, others.first?.ticket ?? .max) }

    /// The first request, with the line's place.
    var turn: SessionQueue.Turn? { first.map { ($0, oldest) } }

    func append(_ waiter: SessionWaiter) {
        if waiter.runsAgain { again.append(waiter) } else { others.append(waiter) }
    }

    func remove(_ waiter: SessionWaiter) {
        if waiter.runsAgain { again.remove(waiter) } else { others.remove(waiter) }
    }

    /// Takes out the requests for which a condition holds.
    func removeAll(where condition: (SessionWaiter) -> Bool) -> [SessionWaiter] {
        let all = again.removeAll() + others.removeAll()
        for waiter in all where !condition(waiter) { append(waiter) }
        return all.filter(condition)
    }

    /// Restores the order of arrival, after requests were appended that came before others.
    func sort() {
        again.sort()
        others.sort()
    }
}

extension Queue<SessionWaiter> {
    fileprivate mutating func remove(_ waiter: SessionWaiter) {
        // The usual case is the first one, which is served.
        if first === waiter { popFirst() } else { removeAll { $0 === waiter } }
    }

    fileprivate mutating func sort() {
        for waiter in removeAll().sorted(by: { $0.ticket < $1.ticket }) { append(waiter) }
    }
}

/// The lines of waiting requests, each of which has its place in the line of its need.
@LoopActor
struct SessionLines {
    private var lines: [SessionLine.Need: SessionLine] = [:]
    private var byParticipant: [String: [SessionLine]] = [:]
    /// How many requests wait in all lines.
    private(set) var count = 0
    /// The line in which a request has waited longest; nil until somebody asks again.
    private var oldest: SessionLine?

    /// The lines that need sessions of a participant, in no order.
    func lines(of participant: String) -> [SessionLine] { byParticipant[participant] ?? [] }

    /// The turn of the line in which a request has waited longest.
    var turn: SessionQueue.Turn? {
        mutating get {
            oldest = oldest ?? lines.values.min { $0.oldest < $1.oldest }
            return oldest?.turn
        }
    }

    /// Adds a request, which comes after all others.
    mutating func append(_ waiter: SessionWaiter) {
        line(for: waiter).append(waiter)
        count += 1
    }

    /// Adds requests that may have come before others.
    mutating func insert(_ waiters: [SessionWaiter]) {
        oldest = nil
        for waiter in waiters { append(waiter) }
        for need in Set(waiters.map(\.need)) { lines[need]?.sort() }
    }

    mutating func remove(_ waiter: SessionWaiter) {
        guard let line = lines[waiter.need] else { return }
        line.remove(waiter)
        noteRemoval(of: 1, from: line)
    }

    /// Takes out the requests for which a condition holds, of those that need a participant.
    mutating func removeAll(
        needing participant: String, where condition: (SessionWaiter) -> Bool
    ) -> [SessionWaiter] {
        lines(of: participant).flatMap { line in
            let removed = line.removeAll(where: condition)
            noteRemoval(of: removed.count, from: line)
            return removed
        }
    }

    private mutating func noteRemoval(of removed: Int, from line: SessionLine) {
        count -= removed
        if oldest === line { oldest = nil }
        guard line.first == nil else { return }
        lines[line.need] = nil
        for participant in line.need.participants {
            byParticipant[participant]?.removeAll { $0 === line }
            if byParticipant[participant]?.isEmpty == true { byParticipant[participant] = nil }
        }
    }

    private mutating func line(for waiter: SessionWaiter) -> SessionLine {
        if let line = lines[waiter.need] { return line }
        let line = SessionLine(waiter.need)
        lines[waiter.need] = line
        for participant in waiter.need.participants {
            byParticipant[participant, default: []].append(line)
        }
        return line
    }
}
