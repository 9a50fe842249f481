import EventLoop
import TransactionEngine

/// The requests that wait for sessions, in lines of equal needs.
///
/// A request that needs the same as the first of its line can be served no sooner. So for a session that
/// becomes idle only the first of each line is tried, and not every waiting request. Across the lines
/// requests are served in the order in which they came; one that cannot be served yet is passed over.
///
/// Contended requests have lines of their own, since others may be served while they must wait. Their
/// shapes make no lines: SQL with values in it would make a line of every request.
///
/// A line whose gates are not all open waits at these gates, and no session is offered to it. When a gate
/// opens, the lines that wait there are tried in the order in which their requests came, and one that
/// waits for another gate as well is passed over. For one line the gates that are open are kept, though:
/// for that of the request that has waited longest at any gate. Without this, a request with two busy
/// gates could be overtaken for ever, since they hardly open in the same moment. And with more than this,
/// rows would stand idle: each transaction with two popular rows would stop one of them until the other
/// is free. Once a line waits for sessions, no gate is kept for it: else a participant that does not answer
/// would stop work that does not need it.
///
/// Two kinds of requests may be overtaken until their time is up: one with two busy gates, while another
/// that came before waits at a row that somebody keeps locked; and one that needs a busy gate and a session
/// of a participant that never has one idle in that moment.
@LoopActor
final class SessionQueue {
    /// The first request of a line, and the ticket of the one that has waited longest there: the line's
    /// place among the lines.
    typealias Turn = (waiter: SessionWaiter, place: Int)

    /// The lines that wait for sessions, by participant.
    private var byParticipant: [[SessionLine]]
    /// The same lines, each once: those of requests that are not contended, and of those that are.
    private let ordinary = LineSet()
    private let contended = LineSet()
    /// The lines that wait at gates.
    private let atGates = LineSet()
    /// Gates that are not kept any more for a line that has left them for sessions.
    private var freedGates: [RowGate] = []
    /// How many requests wait.
    private(set) var count = 0
    /// How many of them are contended.
    private(set) var contendedCount = 0

    /// Makes an empty queue for so many participants.
    init(participants: Int) {
        byParticipant = Array(repeating: [], count: participants)
    }

    /// The turn of the line in which a request has waited longest for sessions, of those that are not
    /// contended.
    var ordinaryTurn: Turn? { ordinary.oldest?.turn }
    /// The same of those that are, and for which the gates are open.
    var contendedTurn: Turn? { contended.oldest?.turn }

    // MARK: Joining and leaving

    /// Adds a request to the line of those that need the same.
    func append(_ waiter: SessionWaiter) {
        let line = line(for: waiter)
        line.append(waiter)
        waiter.line = line
        count += 1
        if line.isContended { contendedCount += 1 }
    }

    /// Takes out a request, if it is in a line.
    func remove(_ waiter: SessionWaiter) {
        guard let line = waiter.line else { return }
        waiter.line = nil
        line.remove(waiter)
        count -= 1
        if line.isContended { contendedCount -= 1 }
        guard line.isEmpty else {
            line.set?.noteChange(of: line)
            return
        }
        move(line, to: nil)
        for gate in line.gates { gate.lines.removeAll { $0 === line } }
    }

    /// Takes out all requests.
    func removeAll() -> [SessionWaiter] {
        let all = waiters
        for waiter in all { remove(waiter) }
        return all
    }

    /// All requests, in no order.
    var waiters: [SessionWaiter] {
        [ordinary, contended, atGates].flatMap { $0.lines.flatMap(\.waiters) }
    }

    /// Moves a request to the line of what is now known to be contended of it, where it keeps its place
    /// in the order of arrival.
    ///
    /// In its old line a request that must wait for room, or at a gate, would block those after it.
    func move(_ waiter: SessionWaiter, to found: ContendedBranches) {
        remove(waiter)
        waiter.contended = found
        append(waiter)
        waiter.line?.sort()
        // The line may have waited longest now.
        waiter.line?.set?.forgetOldest()
    }

    private func line(for waiter: SessionWaiter) -> SessionLine {
        let others =
            waiter.contended.gates.first?.lines
            ?? byParticipant[waiter.need.parts[0].participant]
        if let line = others.first(where: { $0.isLine(of: waiter) }) { return line }
        let line = SessionLine(for: waiter)
        for gate in line.gates { gate.lines.append(line) }
        move(line, to: mayPass(line.gates) ? set(of: line) : atGates)
        return line
    }

    // MARK: Gates

    /// Whether a request passes these gates now: they are open, and not kept for the line that has waited
    /// longest at gates.
    ///
    /// - Parameter line: the request's line, if it waits.
    func mayPass(_ gates: [RowGate], from line: SessionLine? = nil) -> Bool {
        guard gates.allSatisfy(\.isOpen) else { return false }
        guard !gates.isEmpty, let favorite = atGates.oldest, favorite !== line,
            favorite.oldest < line?.oldest ?? .max
        else { return true }
        return !gates.contains(where: favorite.passes)
    }

    /// Gates that may be passed since the last call, by lines that could not pass them before, although
    /// they were open.
    func takeFreedGates() -> [RowGate] {
        defer { freedGates = [] }
        return freedGates
    }

    private func set(of line: SessionLine) -> LineSet { line.isContended ? contended : ordinary }

    private func move(_ line: SessionLine, to set: LineSet?) {
        line.set?.remove(line)
        if let old = line.set, old !== atGates {
            for part in line.need.parts {
                byParticipant[part.participant].removeAll { $0 === line }
            }
        }
        line.set = set
        set?.insert(line)
        guard let set, set !== atGates else { return }
        for part in line.need.parts { byParticipant[part.participant].append(line) }
    }

    // MARK: Serving

    /// Offers a participant's sessions to the requests that need it, in the order in which they came, and
    /// takes out each one that the body answers; nil from the body keeps the request, and its line, waiting.
    func serve(_ participant: Int, _ body: (Turn) -> SessionWaiter.Outcome?) {
        var last = -1
        while let line = Self.next(after: last, of: byParticipant[participant]) {
            if !mayPass(line.gates, from: line) {
                last = line.oldest
                move(line, to: atGates)
            } else if !serveFirst(of: line, body) {
                last = line.oldest
            }
        }
    }

    /// Lets requests pass a gate, in the same way.
    func serve(_ gate: RowGate, _ body: (Turn) -> SessionWaiter.Outcome?) {
        var last = -1
        while gate.isOpen, let line = Self.next(after: last, of: gate.lines) {
            guard mayPass(line.gates, from: line) else {
                last = line.oldest
                continue
            }
            if line.set === atGates {
                move(line, to: set(of: line))
                // Served at once, it shuts them; else others may pass those that were kept for it.
                freedGates += line.gates
            }
            if !serveFirst(of: line, body) { last = line.oldest }
        }
    }

    /// Whether the body answers the first request of a line.
    private func serveFirst(of line: SessionLine, _ body: (Turn) -> SessionWaiter.Outcome?) -> Bool
    {
        guard let turn = line.turn, let outcome = body(turn) else { return false }
        remove(turn.waiter)
        // For the rest of the line no session must be kept meanwhile.
        if !line.isEmpty, !line.gates.allSatisfy(\.isOpen) { move(line, to: atGates) }
        turn.waiter.answer(outcome)
        return true
    }

    /// The line whose place follows this one.
    private static func next(after place: Int, of lines: [SessionLine]) -> SessionLine? {
        var found: SessionLine?
        for line in lines where line.oldest > place && line.oldest < found?.oldest ?? .max {
            found = line
        }
        return found
    }
}
