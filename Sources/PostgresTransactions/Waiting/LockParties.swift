import CommitProtocol
import EventLoop
import TransactionEngine

/// Says for which transactions the sessions and prepared transactions of some readings work.
@LoopActor
struct LockParties {
    private let installation: String
    /// The ages of the transactions that have sessions here, or that other replicas have published.
    private var ages: [GlobalTransactionID: GlobalTransactionID] = [:]
    /// Other replicas' sessions.
    private var elsewhere: [ServerProcess: [PublishedSession]] = [:]
    /// The transactions that are being aborted: a branch of theirs was cancelled.
    private(set) var stopped: Set<GlobalTransactionID> = []

    init(
        installation: String, sessions: some Sequence<any WatchedSession>,
        elsewhere: [PublishedSession] = []
    ) {
        self.installation = installation
        for session in elsewhere {
            ages[session.transaction] = session.age
            self.elsewhere[session.process, default: []].append(session)
        }
        for session in sessions {
            guard let id = transaction(of: session)?.id, let age = session.age else { continue }
            ages[id] = age
            if session.isStopped { stopped.insert(id) }
        }
    }

    /// The party that a server process belongs to.
    func party(_ process: Int32, in reading: LockReading) -> LockParty {
        if let id = transaction(of: process, in: reading)?.id, let age = ages[id] {
            return .transaction(id, age: age)
        }
        return .stranger(server: reading.serverName, processID: process)
    }

    /// The party that a prepared transaction belongs to.
    ///
    /// Nil if the transaction is not known to have sessions: then it waits for nothing.
    func party(_ gid: String) -> LockParty? {
        guard let id = name(gid)?.id, let age = ages[id] else { return nil }
        return .transaction(id, age: age)
    }

    /// The transaction and the number of the branch that a session works for.
    func transaction(
        of process: Int32, in reading: LockReading
    ) -> (id: GlobalTransactionID, branch: Int)? {
        if let session = reading.sessions[process] { return transaction(of: session) }
        guard let server = reading.server,
            let virtualTransaction = reading.processes[process]?.virtualTransaction,
            let published = elsewhere[ServerProcess(server: server, id: process)]?.first(where: {
                $0.virtualTransaction == virtualTransaction
            })
        else { return nil }
        return (published.transaction, published.branch)
    }

    /// Describes a session of a reading.
    func describe(_ process: Int32, in reading: LockReading) -> LockWaitReport.Party {
        var party = LockWaitReport.Party()
        let known = transaction(of: process, in: reading)
        party.transaction = known?.id
        party.branch = known?.branch
        party.processID = process
        party.applicationName = reading.processes[process]?.applicationName
        party.role = reading.processes[process]?.role
        return party
    }

    /// Describes a prepared transaction.
    func describe(_ gid: String) -> LockWaitReport.Party {
        var party = LockWaitReport.Party()
        let known = name(gid)
        party.transaction = known?.id
        party.branch = known?.branch
        party.gid = gid
        return party
    }

    /// Describes a wait, with those blockers that belong to one party, or with all.
    func report(
        _ process: LockProcess, in reading: LockReading, for blocker: LockParty? = nil
    ) -> LockWaitReport? {
        guard let wait = process.wait else { return nil }
        let named: (sessions: [Int32], gids: [String]) =
            blocker == nil ? (wait.blockers, wait.gids) : reading.blockers(of: wait)
        let sessions = named.sessions.filter {
            blocker == nil || party($0, in: reading) == blocker
        }
        let gids = named.gids.filter { blocker == nil || party($0) == blocker }
        return LockWaitReport(
            participant: reading.participant, waiter: describe(process.id, in: reading),
            blockers: sessions.map { describe($0, in: reading) } + gids.map(describe),
            since: wait.since, relation: wait.relation, row: wait.row)
    }

    private func transaction(
        of session: any WatchedSession
    ) -> (id: GlobalTransactionID, branch: Int)? {
        session.gid.flatMap(name)
    }

    private func name(_ gid: String) -> (id: GlobalTransactionID, branch: Int)? {
        guard let name = BranchName(gid), let id = name.id(in: installation) else { return nil }
        return (id, name.branch)
    }
}

/// The waits of some readings, as edges of a graph, and where each edge comes from.
@LoopActor
struct FoundWaits {
    /// One wait: the reading and the session that waits.
    struct Origin {
        let reading: LockReading
        let process: LockProcess
        /// The session, if it is this replica's.
        var session: (any WatchedSession)? { reading.sessions[process.id] }
    }

    private(set) var edges: [LockEdge] = []
    /// By the identity of the wait.
    private(set) var origins: [String: Origin] = [:]
    private let parties: LockParties

    /// Makes the edges of readings.
    ///
    /// It leaves out what is over anyway: waits of sessions that have voted since, and those of
    /// transactions that are being aborted. So a victim whose cancel is still on its way breaks its cycle
    /// already, and no other transaction is aborted for it. Branches of one transaction that block each
    /// other are the sessions' own affair.
    init(_ readings: some Sequence<LockReading>, _ parties: LockParties) {
        self.parties = parties
        for reading in readings {
            for process in reading.processes.values {
                guard let wait = process.wait,
                    reading.sessions[process.id]?.isWorking ?? true
                else { continue }
                let waiter = parties.party(process.id, in: reading)
                if case .transaction(let id, _) = waiter, parties.stopped.contains(id) { continue }
                let identity = "\(reading.serverName) \(process.id) \(wait.identity)"
                let named = reading.blockers(of: wait)
                let blockers =
                    named.sessions.map { parties.party($0, in: reading) }
                    + named.gids.compactMap { parties.party($0) }
                for blocker in Set(blockers) where blocker != waiter {
                    edges.append(LockEdge(waiter: waiter, blocker: blocker, wait: identity))
                }
                // Two participants on one server may both see the wait; the database that it is in
                // knows the relation.
                if wait.relation != nil || origins[identity] == nil {
                    origins[identity] = Origin(reading: reading, process: process)
                }
            }
        }
    }

    /// The participants whose readings show an edge of a deadlock.
    func participants(in deadlocks: [WaitGraph.Deadlock]) -> Set<String> {
        Set(deadlocks.flatMap(\.cycle).compactMap { origins[$0.wait]?.reading.participant })
    }

    /// Describes a deadlock, from the victim's wait on.
    func cycle(of deadlock: WaitGraph.Deadlock) -> LockCycle {
        LockCycle(
            waits: deadlock.cycle.compactMap { edge in
                guard let origin = origins[edge.wait] else { return nil }
                return parties.report(origin.process, in: origin.reading, for: edge.blocker)
            })
    }
}
