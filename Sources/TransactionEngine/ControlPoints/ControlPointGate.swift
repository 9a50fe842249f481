package import CommitProtocol
package import EventLoop
package import Logging

/// The control points of one replica: holds or harms the transactions that rules choose.
///
/// For rehearsals: callers and operators see what follows, as they would in production. No replica that
/// `tandem serve` starts has any.
@LoopActor
package final class ControlPointGate: StepGate {
    /// How the process of the replica comes to an end.
    package enum Death: Sendable {
        case kill
        case restart
    }

    /// A rule that is in force.
    package struct Entry: Sendable {
        /// Its number, from 1.
        package let id: Int
        /// The rule.
        package let rule: ControlRule
        /// The transactions that have met it.
        package fileprivate(set) var transactionCount = 0
        fileprivate var transactions: Set<GlobalTransactionID> = []
        /// Where it has done what can be done only once: the transaction's branch, or -1 for all of it.
        fileprivate var done: Set<Place> = []
    }

    fileprivate struct Place: Hashable {
        let transaction: GlobalTransactionID
        let branch: Int
    }

    /// A transaction that is held.
    package struct Paused: Sendable {
        /// The rule that holds it.
        package let rule: Int
        /// Where.
        package let point: ControlRule.Point
        /// The transaction.
        package let transaction: GlobalTransactionID
        /// The branch, at a point that each branch passes by itself.
        package let branch: Int?
        /// That branch's participant.
        package let participant: String?
        /// Since when.
        package let since: Timestamp
        fileprivate let gid: String?
        /// Applies the rules after this one.
        fileprivate let goOn: @LoopActor () -> Void
        /// Passes the control point, whatever other rules say.
        fileprivate let giveUp: @LoopActor () -> Void
    }

    /// The rules in force, the oldest first.
    package private(set) var entries: [Entry] = []
    /// The transactions that are held, in the order in which they came.
    package private(set) var paused: [Paused] = []
    /// Whether a death was simulated: nothing goes through any more.
    package private(set) var isHalted = false

    private var participants: (any Participants)?
    private let clock: any EngineClock
    private let logger: Logger
    private let die: @LoopActor (Death, ControlPointGate) -> Void
    private var lastID = 0
    /// The transactions under way, and the branches of their names.
    private var records: [GlobalTransactionID: TransactionRecord] = [:]
    private var branches: [String: Place] = [:]
    private var waiters: [Int: Waiter] = [:]
    private var lastWaiter = 0

    /// A task that waits for something to happen at the control points.
    private struct Waiter {
        let isOver: @LoopActor () -> Bool
        let resume: @LoopActor () -> Void
        let timer: any ScheduledTimer
    }

    /// Makes control points without rules; `die` ends the process, or has them simulate that.
    package nonisolated init(
        clock: any EngineClock, logger: Logger,
        die: @escaping @LoopActor (Death, ControlPointGate) -> Void
    ) {
        self.clock = clock
        self.logger = logger
        self.die = die
    }

    /// Gives them the participants in which branches can be finished without the engine.
    package func use(_ participants: any Participants) { self.participants = participants }

    // MARK: Rules

    /// Adds a rule; returns its number.
    package func add(_ rule: ControlRule) -> Int {
        lastID += 1
        entries.append(Entry(id: lastID, rule: rule))
        return lastID
    }

    /// Removes a rule and releases what it holds; false if there is none with this number.
    package func remove(_ id: Int) -> Bool {
        guard let index = entries.firstIndex(where: { $0.id == id }) else { return false }
        entries.remove(at: index)
        takePaused { $0.rule == id }.forEach { $0.goOn() }
        changed()
        return true
    }

    /// Removes all rules and releases everything.
    package func removeAll() {
        entries = []
        takePaused { _ in true }.forEach { $0.goOn() }
        changed()
    }

    /// Releases what a rule holds of one transaction; the rule does not hold it again.
    package func release(_ transaction: GlobalTransactionID, from id: Int) {
        takePaused { $0.rule == id && $0.transaction == transaction }.forEach { $0.goOn() }
    }

    /// Lets nothing through any more in either direction, as if the process were dead.
    package func halt() { isHalted = true }

    /// Waits until a transaction has met the rule, the rule is gone, or the time is over.
    package func waitUntilMet(_ id: Int, within limit: Duration) async {
        await wait(within: limit) { [self] in
            entries.first { $0.id == id }.map { $0.transactionCount > 0 } ?? true
        }
    }

    /// Waits until the rule holds a transaction, the rule is gone, or the time is over.
    package func waitUntilPaused(by id: Int, within limit: Duration) async {
        await wait(within: limit) { [self] in
            paused.contains { $0.rule == id } || !entries.contains { $0.id == id }
        }
    }

    private func wait(
        within limit: Duration, until isOver: @escaping @LoopActor () -> Bool
    ) async {
        await withCheckedContinuation { continuation in
            if isOver() { return continuation.resume() }
            lastWaiter += 1
            let number = lastWaiter
            waiters[number] = Waiter(
                isOver: isOver, resume: { continuation.resume() },
                timer: clock.schedule(after: limit) { [self] in
                    waiters.removeValue(forKey: number)?.resume()
                })
        }
    }

    private func changed() {
        for (number, waiter) in waiters where waiter.isOver() {
            waiters[number] = nil
            waiter.timer.cancel()
            waiter.resume()
        }
    }

    /// Takes these out of what is held.
    private func takePaused(where isChosen: (Paused) -> Bool) -> [Paused] {
        let chosen = paused.filter(isChosen)
        paused.removeAll(where: isChosen)
        return chosen
    }

    // MARK: The gate

    package func reach(_ place: StepPlace, then completion: @escaping Completion<StepVerdict>) {
        note(place)
        if isHalted { return completion(.disconnect) }
        guard let point = ControlRule.Point(place), !entries.isEmpty,
            let arrival = arrival(place, point)
        else {
            forget(place)
            return completion(.goOn)
        }
        forget(place)
        pass(arrival, entries.map(\.id)[...], then: completion)
    }

    package func giveUp(gid: String) {
        takePaused { $0.gid == gid }.forEach { $0.giveUp() }
    }

    /// A transaction, or a branch of it, at a control point.
    private struct Arrival {
        let point: ControlRule.Point
        let record: TransactionRecord
        let branch: Int?
        let gid: String?

        var place: Place { Place(transaction: record.id, branch: branch ?? -1) }
        var participant: String? { branch.map { record.branches[$0].participant } }
    }

    private func arrival(_ place: StepPlace, _ point: ControlRule.Point) -> Arrival? {
        switch place.subject {
        case .write(let write):
            return Arrival(point: point, record: write.record, branch: nil, gid: nil)
        case .branch(let gid):
            guard let found = branches[gid], let record = records[found.transaction] else {
                return nil
            }
            return Arrival(
                point: point, record: record, branch: point.isOfBranch ? found.branch : nil,
                gid: gid)
        case .rows, .other: return nil
        }
    }

    /// Applies these rules one after the other, and those that came later not at all.
    private func pass(
        _ arrival: Arrival, _ ids: ArraySlice<Int>,
        then completion: @escaping Completion<StepVerdict>
    ) {
        // A death may have been simulated while the transaction was held.
        if isHalted { return completion(.disconnect) }
        guard let id = ids.first else { return completion(.goOn) }
        let goOn = { @LoopActor [self] in pass(arrival, ids.dropFirst(), then: completion) }
        guard let index = take(arrival, by: id) else { return goOn() }
        let rule = entries[index].rule
        let isFirst = entries[index].done.insert(arrival.place).inserted
        defer { changed() }
        switch rule.action {
        case .pause where isFirst:
            log("paused", arrival)
            paused.append(
                Paused(
                    rule: id, point: arrival.point, transaction: arrival.record.id,
                    branch: arrival.branch, participant: arrival.participant,
                    since: clock.wallTime, gid: arrival.gid, goOn: goOn,
                    giveUp: { [self] in completion(isHalted ? .disconnect : .goOn) }))
        case .disconnect:
            log("disconnected", arrival)
            completion(.disconnect)
        case .kill where isFirst, .restart where isFirst:
            log("killed", arrival)
            die(rule.action == .kill ? .kill : .restart, self)
            isHalted ? completion(.disconnect) : goOn()
        case .commitBranch where isFirst, .rollBackBranch where isFirst:
            let decision: Decision = rule.action == .commitBranch ? .commit : .abort
            finish(names(in: rule.participant, of: arrival)[...], as: decision, then: goOn)
        case .pause, .kill, .restart, .commitBranch, .rollBackBranch:
            goOn()
        }
    }

    /// Finds the rule and counts the transaction; nil if the rule is gone or does not choose it.
    private func take(_ arrival: Arrival, by id: Int) -> Int? {
        guard let index = entries.firstIndex(where: { $0.id == id }) else { return nil }
        let rule = entries[index].rule
        guard rule.point == arrival.point, rule.matches(arrival.record) else { return nil }
        if arrival.point.isOfBranch, let name = rule.participant, name != arrival.participant {
            return nil
        }
        if !entries[index].transactions.contains(arrival.record.id) {
            if let limit = rule.transactionsMax, entries[index].transactionCount >= limit {
                return nil
            }
            entries[index].transactions.insert(arrival.record.id)
            entries[index].transactionCount += 1
        }
        return index
    }

    private func log(_ what: String, _ arrival: Arrival) {
        logger.notice(
            "a control point was reached",
            metadata: [
                "controlPoint": "\(arrival.point.rawValue)", "action": "\(what)",
                "transaction": "\(arrival.record.id)",
            ])
    }

    // MARK: Branches

    /// The names of the branches that a rule is about.
    private func names(in participant: String?, of arrival: Arrival) -> [String] {
        if let gid = arrival.gid, arrival.point.isOfBranch { return [gid] }
        return arrival.record.branches.filter { $0.participant == participant ?? $0.participant }
            .map(\.gid)
    }

    /// Finishes branches as another program would: the engine is not asked and does not learn of it.
    private func finish(
        _ gids: ArraySlice<String>, as decision: Decision,
        then goOn: @escaping @LoopActor () -> Void
    ) {
        guard let gid = gids.first, let participants, let found = branches[gid],
            let record = records[found.transaction]
        else { return goOn() }
        let request = FinishRequest(
            participant: record.branches[found.branch].participant, gid: gid, decision: decision,
            evidence: nil, fence: .none, checksOwner: false)
        participants.finish(request) { [self] report in
            let metadata: Logger.Metadata = [
                "gid": "\(gid)", "decision": "\(decision.rawValue)",
                "error": "\(report.error ?? "none")",
            ]
            if report.reply == .done {
                logger.notice("a rehearsal finished a branch", metadata: metadata)
            } else {
                logger.warning("a rehearsal could not finish a branch", metadata: metadata)
            }
            finish(gids.dropFirst(), as: decision, then: goOn)
        }
    }

    // MARK: Transactions under way

    /// Remembers the transactions that begin here or are taken over.
    private func note(_ place: StepPlace) {
        switch (place.subject, place.step, place.moment) {
        case (.write(let write), .accept, .before): note(write.record)
        case (.write(let write), .retry, .before):
            if let successor = write.successor { note(successor) }
        case (.rows(let rows), _, _): for row in rows { note(row) }
        default: break
        }
    }

    private func note(_ record: TransactionRecord) {
        records[record.id] = record
        for (branch, one) in record.branches.enumerated() {
            branches[one.gid] = Place(transaction: record.id, branch: branch)
        }
    }

    /// Forgets a transaction when nothing more can be done to it: it is finished, or was never accepted.
    private func forget(_ place: StepPlace) {
        guard case .write(let write) = place.subject, place.moment == .after else { return }
        switch place.step {
        case .finish: forget(write.record.id)
        case .accept where !place.isDone: forget(write.record.id)
        case .retry where !place.isDone:
            if let successor = write.successor { forget(successor.id) }
        default: break
        }
    }

    private func forget(_ id: GlobalTransactionID) {
        guard let record = records.removeValue(forKey: id) else { return }
        for branch in record.branches { branches[branch.gid] = nil }
        for index in entries.indices {
            entries[index].transactions.remove(record.id)
            entries[index].done = entries[index].done.filter { $0.transaction != record.id }
        }
    }
}
