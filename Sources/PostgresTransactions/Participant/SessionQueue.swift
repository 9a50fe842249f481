import EventLoop
import TransactionEngine

/// A request that waits for sessions, one for each branch.
@LoopActor
final class SessionWaiter {
    typealias Outcome = Result<[any BranchSession], AdmissionFailure>

    let ticket: Int
    let requests: [SessionRequest]
    private var reply: CheckedContinuation<Outcome, Never>?
    private let timer: LoopTimer?

    init(
        ticket: Int, requests: [SessionRequest],
        reply: CheckedContinuation<Outcome, Never>?, timer: LoopTimer?
    ) {
        self.ticket = ticket
        self.requests = requests
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
@LoopActor
final class SessionQueue {
    /// The sessions that a line waits for, whatever the order of the branches.
    private struct Need: Hashable {
        let counts: [SessionRequest: Int]

        init(_ requests: [SessionRequest]) {
            counts = Dictionary(requests.map { ($0, 1) }, uniquingKeysWith: +)
        }

        func includes(_ participant: String) -> Bool {
            counts.keys.contains { $0.participant == participant }
        }
    }

    private final class Line {
        var waiters: [SessionWaiter] = []

        /// The ticket of the first request.
        var first: Int { waiters.first?.ticket ?? .max }
    }

    private var lines: [Need: Line] = [:]
    /// How many requests wait.
    private(set) var count = 0

    /// How many sessions of a participant are kept for the request that has waited longest, from a later
    /// one: from this ticket, or from a request that has none yet.
    ///
    /// Without this, a request over several busy participants could be overtaken for ever, since their
    /// sessions hardly become idle in the same moment. Sessions are kept for one request at a time, and at
    /// most half of a pool: so a participant that is slow or silent costs requests that do not need it no
    /// more than that.
    func kept(of participant: String, poolSize: Int, from ticket: Int?) -> Int {
        guard let first = lines.values.min(by: { $0.first < $1.first })?.waiters.first,
            first.ticket != ticket
        else { return 0 }
        let count = first.requests.count { $0.participant == participant }
        return count <= poolSize / 2 ? count : 0
    }

    /// Adds a request to the line of those that need the same.
    func append(_ waiter: SessionWaiter) {
        let need = Need(waiter.requests)
        let line = lines[need] ?? Line()
        line.waiters.append(waiter)
        lines[need] = line
        count += 1
    }

    /// Takes out the request with this ticket.
    func remove(ticket: Int) -> SessionWaiter? {
        for (need, line) in lines {
            guard let index = line.waiters.firstIndex(where: { $0.ticket == ticket }) else {
                continue
            }
            let waiter = line.waiters.remove(at: index)
            noteRemoval(from: line, of: need)
            return waiter
        }
        return nil
    }

    /// Takes out all requests.
    func removeAll() -> [SessionWaiter] {
        defer { (lines, count) = ([:], 0) }
        return lines.values.flatMap(\.waiters)
    }

    /// Offers a participant's sessions to the requests that need it, in the order in which they came, and
    /// takes out each one that the body answers; nil from the body keeps the request, and its line, waiting.
    func serve(_ participant: String, _ body: (SessionWaiter) -> SessionWaiter.Outcome?) {
        var open = lines.filter { $0.key.includes(participant) }
        while let (need, line) = open.min(by: { $0.value.first < $1.value.first }),
            let waiter = line.waiters.first
        {
            if let outcome = body(waiter) {
                line.waiters.removeFirst()
                noteRemoval(from: line, of: need)
                waiter.settle(outcome)
                if line.waiters.isEmpty { open[need] = nil }
            } else {
                open[need] = nil
            }
        }
    }

    private func noteRemoval(from line: Line, of need: Need) {
        count -= 1
        if line.waiters.isEmpty { lines[need] = nil }
    }
}
