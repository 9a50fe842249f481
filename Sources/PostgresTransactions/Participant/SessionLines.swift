import EventLoop
import PostgresClient

/// Waiting requests that need the same sessions, and pass the same gates, in the order in which they are
/// served.
@LoopActor
final class SessionLine {
    let need: SessionNeed
    let gates: [RowGate]
    private let sharesSessions: Bool
    /// The lines that it is among: `SessionQueue` moves it.
    var set: LineSet?
    /// Requests whose transactions ran before, and all others; each in the order of arrival.
    private var again = Queue<SessionWaiter>()
    private var others = Queue<SessionWaiter>()

    init(for waiter: SessionWaiter) {
        need = waiter.need
        gates = waiter.contended.gates
        sharesSessions = waiter.contended.sharesSessions
    }

    var isContended: Bool { sharesSessions || !gates.isEmpty }

    /// Whether a request can be served no sooner than the first of this line.
    func isLine(of waiter: SessionWaiter) -> Bool {
        need == waiter.need && sharesSessions == waiter.contended.sharesSessions
            && gates.count == waiter.contended.gates.count
            && waiter.contended.gates.allSatisfy(passes)
    }

    func passes(_ gate: RowGate) -> Bool { gates.contains { $0 === gate } }

    /// The request that is served next.
    ///
    /// One that runs again has lost its locks to others, and its caller has waited longest.
    var first: SessionWaiter? { again.first ?? others.first }

    var isEmpty: Bool { again.isEmpty && others.isEmpty }

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

    /// All its requests, in no order.
    var waiters: [SessionWaiter] { again.all + others.all }

    /// Restores the order of arrival, after a request was appended that came before others.
    func sort() {
        again.sort()
        others.sort()
    }
}

extension Queue<SessionWaiter> {
    fileprivate var all: [SessionWaiter] {
        var copy = self
        return copy.removeAll()
    }

    fileprivate mutating func remove(_ waiter: SessionWaiter) {
        // The usual case is the first one, which is served.
        if first === waiter { popFirst() } else { removeAll { $0 === waiter } }
    }

    @LoopActor
    fileprivate mutating func sort() {
        for waiter in removeAll().sorted(by: { $0.ticket < $1.ticket }) { append(waiter) }
    }
}

/// Lines in no order, of which the one is known in which a request has waited longest.
@LoopActor
final class LineSet {
    private(set) var lines: [SessionLine] = []
    /// Nil until somebody asks again.
    private var known: SessionLine?

    /// The line in which a request has waited longest.
    var oldest: SessionLine? {
        if known == nil { known = lines.min { $0.oldest < $1.oldest } }
        return known
    }

    func insert(_ line: SessionLine) {
        lines.append(line)
        known = nil
    }

    func remove(_ line: SessionLine) {
        lines.removeAll { $0 === line }
        if known === line { known = nil }
    }

    /// A request of a line has left, which may have waited longest of all.
    func noteChange(of line: SessionLine) {
        if known === line { known = nil }
    }

    /// A request has joined that came before others.
    func forgetOldest() { known = nil }
}
