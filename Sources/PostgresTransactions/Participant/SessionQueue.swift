import EventLoop
import TransactionEngine

/// Someone who waits for sessions, one for each branch.
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

/// Those who wait for sessions, in lines of equal wants.
///
/// Whoever wants the same as the first of a line can be served no sooner, so a session that becomes
/// idle costs one look at each line that wants it, and not one at everybody who waits. Across the
/// lines the order is that of asking; whoever cannot be served yet is passed over.
@LoopActor
final class SessionQueue {
    /// What a line waits for; the order of the branches makes no difference.
    private struct Want: Hashable {
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

        /// The ticket of whoever stands first.
        var first: Int { waiters.first?.ticket ?? .max }
    }

    private var lines: [Want: Line] = [:]
    /// How many wait.
    private(set) var count = 0

    /// How many sessions of a participant are kept for whoever asked first of all, from one who came
    /// later: this ticket, or one who has none yet.
    ///
    /// Were nothing kept, a waiter over several busy participants would be overtaken for ever, since
    /// they hardly become idle in the same moment. It is one waiter at a time, and half of a pool at
    /// most: a participant that is slow or silent costs those who do not want it no more than that.
    func kept(of participant: String, poolSize: Int, from ticket: Int?) -> Int {
        guard let first = lines.values.min(by: { $0.first < $1.first })?.waiters.first,
            first.ticket != ticket
        else { return 0 }
        let count = first.requests.count { $0.participant == participant }
        return count <= poolSize / 2 ? count : 0
    }

    /// Joins the line of those who want the same.
    func append(_ waiter: SessionWaiter) {
        let want = Want(waiter.requests)
        let line = lines[want] ?? Line()
        line.waiters.append(waiter)
        lines[want] = line
        count += 1
    }

    /// Takes out whoever has this ticket, wherever it stands.
    func remove(ticket: Int) -> SessionWaiter? {
        for (want, line) in lines {
            guard let index = line.waiters.firstIndex(where: { $0.ticket == ticket }) else {
                continue
            }
            let waiter = line.waiters.remove(at: index)
            left(line, want)
            return waiter
        }
        return nil
    }

    /// Takes out everybody.
    func removeAll() -> [SessionWaiter] {
        defer { (lines, count) = ([:], 0) }
        return lines.values.flatMap(\.waiters)
    }

    /// Offers what a participant has to those who want it, in the order of asking, and takes out
    /// whoever is answered; nil from the body keeps the one, and its line, waiting.
    func serve(_ participant: String, _ body: (SessionWaiter) -> SessionWaiter.Outcome?) {
        var open = lines.filter { $0.key.includes(participant) }
        while let (want, line) = open.min(by: { $0.value.first < $1.value.first }),
            let waiter = line.waiters.first
        {
            if let outcome = body(waiter) {
                line.waiters.removeFirst()
                left(line, want)
                waiter.settle(outcome)
                if line.waiters.isEmpty { open[want] = nil }
            } else {
                open[want] = nil
            }
        }
    }

    private func left(_ line: Line, _ want: Want) {
        count -= 1
        if line.waiters.isEmpty { lines[want] = nil }
    }
}
