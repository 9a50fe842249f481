import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// A request that waits for sessions, one for each branch.
@LoopActor
final class SessionWaiter {
    typealias Outcome = Result<[any BranchSession], AdmissionFailure>

    /// Its place in the order of arrival.
    let ticket: Int
    let requests: [SessionRequest]
    let need: SessionLine.Need
    /// Whether its transaction ran before, and so is served before the others of its line.
    let runsAgain: Bool
    /// Whether a branch is contended: then it also waits for room among the contended.
    fileprivate(set) var isContended: Bool
    private var reply: CheckedContinuation<Outcome, Never>?
    private let timer: LoopTimer?

    init(
        ticket: Int, requests: [SessionRequest], runsAgain: Bool = false,
        isContended: Bool = false, reply: CheckedContinuation<Outcome, Never>?, timer: LoopTimer?
    ) {
        self.ticket = ticket
        self.requests = requests
        need = SessionLine.Need(requests)
        self.runsAgain = runsAgain
        self.isContended = isContended
        self.reply = reply
        self.timer = timer
    }

    func settle(_ outcome: Outcome) {
        timer?.cancel()
        reply?.resume(returning: outcome)
        reply = nil
    }
}

/// The requests that wait for sessions, in lines of equal needs.
///
/// A request that needs the same as the first of its line can be served no sooner. So for a session that
/// becomes idle only the first of each line is tried, and not every waiting request. Across the lines
/// requests are served in the order in which they came; one that cannot be served yet is passed over.
///
/// Contended requests have lines of their own, since others may be served while they must wait. Their
/// shapes make no lines: SQL with values in it would make a line of every request.
@LoopActor
final class SessionQueue {
    private var ordinary = SessionLines()
    private var contended = SessionLines()
    private var waiters: [Int: SessionWaiter] = [:]

    /// How many requests wait.
    var count: Int { waiters.count }
    /// How many of them are contended.
    var contendedCount: Int { contended.count }

    /// The first request of a line, and the ticket of the one that has waited longest there: the line's
    /// place among the lines.
    typealias Turn = (waiter: SessionWaiter, place: Int)

    /// The turn of the first line among those of requests that are not contended.
    var ordinaryTurn: Turn? { ordinary.turn }
    /// The same among those of contended requests.
    var contendedTurn: Turn? { contended.turn }

    /// Adds a request to the line of those that need the same.
    func append(_ waiter: SessionWaiter) {
        waiters[waiter.ticket] = waiter
        if waiter.isContended { contended.append(waiter) } else { ordinary.append(waiter) }
    }

    /// Takes out the request with this ticket.
    func remove(ticket: Int) -> SessionWaiter? {
        guard let waiter = waiters.removeValue(forKey: ticket) else { return nil }
        if waiter.isContended { contended.remove(waiter) } else { ordinary.remove(waiter) }
        return waiter
    }

    /// Takes out all requests.
    func removeAll() -> [SessionWaiter] {
        defer { (ordinary, contended, waiters) = (SessionLines(), SessionLines(), [:]) }
        return Array(waiters.values)
    }

    /// Moves the requests with such a branch to the lines of contended ones, where they keep the order of
    /// arrival; returns the participants that they need.
    ///
    /// In its old line a request that must wait for room would block those after it.
    func noteContention(of pattern: BranchPattern) -> Set<String> {
        let moved = ordinary.removeAll(needing: pattern.participant) { waiter in
            waiter.requests.contains { pattern.matches($0) }
        }
        for waiter in moved { waiter.isContended = true }
        contended.insert(moved)
        return Set(moved.flatMap(\.requests).map(\.participant))
    }

    /// Offers a participant's sessions to the requests that need it, in the order in which they came, and
    /// takes out each one that the body answers; nil from the body keeps the request, and its line, waiting.
    func serve(_ participant: String, _ body: (Turn) -> SessionWaiter.Outcome?) {
        var open = ordinary.lines(of: participant) + contended.lines(of: participant)
        while let next = open.indices.min(by: { open[$0].oldest < open[$1].oldest }) {
            guard let turn = open[next].turn, let outcome = body(turn) else {
                open.remove(at: next)
                continue
            }
            _ = remove(ticket: turn.waiter.ticket)
            turn.waiter.settle(outcome)
        }
    }
}
