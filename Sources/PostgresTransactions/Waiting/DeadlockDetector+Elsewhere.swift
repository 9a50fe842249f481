import CommitProtocol
import EventLoop
import TransactionEngine

/// Deadlocks with transactions of other replicas.
///
/// While a branch here waits for such a transaction, the replica publishes its own transactions that wait,
/// reads those of the others, and asks each server for the waits of the others' sessions as well. So every
/// replica that has a part in a deadlock sees all of it and finds the same victim, which its owner aborts.
extension DeadlockDetector {
    /// Exchanges sessions with the other replicas as long as a branch here waits for one of theirs.
    func keepExchanging() async {
        guard let exchange else { return }
        while dependsOnOthers {
            // What was read before stays true; what is missing is found later.
            elsewhere = (try? await exchange(ownWaiting)) ?? elsewhere
            await probe(watches.filter { !processesElsewhere(for: $0).isEmpty })
            await pause(Self.interval)
        }
        elsewhere = []
        await exchange.withdraw()
        noteExchangeEnd()
    }

    private static let interval = Duration.milliseconds(30)

    private func pause(_ duration: Duration) async {
        await withCheckedContinuation { continuation in
            _ = loop.schedule(after: duration) { continuation.resume() }
        }
    }

    /// The server processes of other replicas that this watch asks about as well.
    ///
    /// Every participant on their server asks: it alone knows the relations of its database.
    func processesElsewhere(for watch: LockWatch) -> [Int32] {
        guard !elsewhere.isEmpty, let server = watch.server else { return [] }
        return elsewhere.filter { $0.process.server == server }.map(\.process.id)
    }

    /// The sessions of this replica's transactions that wait, as far as they were read.
    private var ownWaiting: Set<PublishedSession> {
        let parties = parties
        var found: [(session: PublishedSession, isWaiting: Bool)] = []
        for reading in readings.values {
            guard let server = reading.server else { continue }
            for (id, session) in reading.sessions {
                guard let process = reading.processes[id],
                    let virtualTransaction = process.virtualTransaction,
                    // A session that has not begun its transaction has no number yet.
                    !virtualTransaction.hasSuffix("/0"),
                    let known = parties.transaction(of: id, in: reading), let age = session.age
                else { continue }
                let published = PublishedSession(
                    transaction: known.id, age: age, branch: known.branch,
                    process: ServerProcess(server: server, id: id),
                    virtualTransaction: virtualTransaction)
                found.append((published, process.wait != nil && session.isWorking))
            }
        }
        let waiting = Set(found.filter(\.isWaiting).map(\.session.transaction))
        return Set(found.map(\.session).filter { waiting.contains($0.transaction) })
    }

    /// Whether a branch here waits for a transaction of another replica, directly or through others on its
    /// server.
    private var dependsOnOthers: Bool { readings.values.contains(where: dependsOnOthers) }

    func dependsOnOthers(_ reading: LockReading) -> Bool {
        var queue = reading.sessions.filter { $1.isWorking }.map(\.key)
        var seen = Set(queue)
        while let next = queue.popLast() {
            guard let wait = reading.processes[next]?.wait else { continue }
            if wait.gids.contains(where: isOfOthers) { return true }
            for blocker in wait.blockers where seen.insert(blocker).inserted {
                if isOfOthers(blocker, in: reading) { return true }
                queue.append(blocker)
            }
        }
        return false
    }

    private func isOfOthers(_ gid: String) -> Bool {
        BranchName(gid)?.id(in: installation) != nil && !isOurs(gid)
    }

    /// The name that a session bears only says that asking is worth it.
    private func isOfOthers(_ process: Int32, in reading: LockReading) -> Bool {
        guard reading.sessions[process] == nil,
            let name = reading.processes[process]?.applicationName
        else { return false }
        return name.hasPrefix("tandem-work ") && name != "tandem-work \(exchange?.replica ?? "")"
    }
}
