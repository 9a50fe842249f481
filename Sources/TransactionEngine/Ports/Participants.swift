package import CommitProtocol
package import EventLoop

/// The registered participants.
///
/// The production ones are PostgreSQL databases. A completion is called once, on the loop, and possibly
/// before the function returns.
package protocol Participants: Sendable {
    /// The names, in the order of the configuration.
    var names: [String] { get }
    /// Whether a journal of decisions is kept there.
    func keepsJournal(_ name: String) -> Bool
    /// The most sessions that branches may have in a participant; nil if none has that name.
    func sessionsMax(of name: String) -> Int?
    /// Reserves a session for every branch, all or none: a request that waits for one participant
    /// holds no session of another.
    ///
    /// With `runsAgain` it is for a transaction that ran before, and is served before the others.
    ///
    /// - Returns: what gives up the wait, which the completion then gets as `cancelled`; nil if the
    ///   completion has been called.
    @LoopActor
    func reserve(
        _ requests: [SessionRequest], runsAgain: Bool, within: Duration,
        then completion: @escaping Completion<Result<[any BranchSession], AdmissionFailure>>
    ) -> (@LoopActor () -> Void)?
    /// The order in which branches of one transaction work so that they cannot deadlock with others
    /// over several participants: the same order in every transaction and at every replica.
    ///
    /// Nil if no branch with such SQL was in a deadlock lately that can come again: then all may work at
    /// once.
    @LoopActor
    func workOrder(_ requests: [SessionRequest]) -> [Int]?
    /// The waits for locks in a participant's database, as its server shows them now.
    func waits(in name: String) async throws(ParticipantUnreachable) -> [LockWaitReport]
    /// The waits of a transaction's branches that this replica has seen, by branch; it asks no server.
    func waits(of transaction: GlobalTransactionID) async -> [LockWaitReport]
    /// Commits or rolls back a prepared branch.
    @LoopActor
    func finish(
        _ request: FinishRequest, then completion: @escaping Completion<FinishReport>)
    /// Asks a commit point what it decided, and has it decide to abort if it has not decided.
    func queryCommitPoint(_ query: CommitPointQuery) async -> CommitPointReport
    /// Reads what a commit point decided; fences no session and changes nothing.
    func readCommitPoint(_ query: CommitPointQuery) async -> CommitPointReading
    /// Reads whether a branch of a commit has committed; finishes nothing.
    func commitStatus(of branch: FinishRequest) async -> FinishInquiry.Reading
    /// Whether the standbys that have to confirm a commit have confirmed one that was read there, as
    /// a later write shows; false if that takes longer than a request for a status waits.
    func isCommitReplicated(_ branch: FinishRequest) async -> Bool
    /// This installation's prepared transactions in one participant, and those on its server that
    /// bear this installation's name and that no participant here can finish.
    func preparedTransactions(in name: String) async throws(ParticipantUnreachable)
        -> [PreparedTransaction]
    /// All prepared transactions of a participant's server, with their locks and whom they block; it
    /// touches none.
    func inventory(of name: String) async throws(ParticipantUnreachable) -> PreparedInventory
    /// Attempts to connect to a participant now, if it is unreachable and the next attempt is not due.
    @LoopActor
    func connectNow(to name: String)
    /// What is known of each participant, for status; from memory.
    func statuses() async -> [ParticipantStatus]
    /// Requests that wait for sessions.
    var waitingRequestCount: Int { get async }
}

@LoopActor
extension Participants {
    /// Finishes a prepared branch, and waits for the report.
    package func finish(_ request: FinishRequest) async -> FinishReport {
        await withCheckedContinuation { reply in
            finish(request) { reply.resume(returning: $0) }
        }
    }
}

/// A prepared transaction that bears this installation's name, as a participant lists it.
package struct PreparedTransaction: Sendable, Hashable {
    /// Its name and age.
    package let found: RecoveryPlan.Found
    /// Whether it was prepared before the participant's server or timeline changed: then the lack of
    /// a row proves nothing.
    package let isFromBefore: Bool
    /// Whether this replica may touch it.
    package let claim: Claim
    /// The role that prepared it.
    package let owner: String
    /// The database that it is in.
    package let database: String

    /// Whose it is (I7): tandem touches only what is its own.
    package enum Claim: Sendable, Hashable {
        /// It is in the participant's database, prepared by the role that this replica works as.
        case ours
        /// Another role prepared it.
        case otherRole
        /// It is in another database of the server.
        case otherDatabase
    }

    package init(
        found: RecoveryPlan.Found, isFromBefore: Bool, claim: Claim = .ours, owner: String = "",
        database: String = ""
    ) {
        self.found = found
        self.isFromBefore = isFromBefore
        self.claim = claim
        self.owner = owner
        self.database = database
    }
}

/// A participant did not answer.
package struct ParticipantUnreachable: Error, Sendable, Hashable {
    /// Why, safe to show.
    package let reason: String

    package init(_ reason: String) {
        self.reason = reason
    }
}

/// Which sessions must be gone before an absent gid is believed.
package enum Fence: Sendable, Hashable {
    /// None: the branch is known to be prepared.
    case none
    /// This one.
    case session(SessionIdentity)
    /// Every session of this replica's former incarnations, and of dead replicas.
    case formerIncarnations
}

/// Asks for a prepared branch to be committed or rolled back.
package struct FinishRequest: Sendable {
    /// The participant's name.
    package let participant: String
    /// The exact gid.
    package let gid: String
    /// Whether to commit or roll back.
    package let decision: Decision
    /// What proves that it was finished from outside.
    package let evidence: PreparedEvidence?
    /// Which sessions have to be gone first.
    package let fence: Fence
    /// The version of the participant that the branch was given to; nil if it is not known.
    package let version: Int?
    /// Whether the prepared transaction's owner and database are read before it is touched.
    ///
    /// A gid is unique on its server. So one that this very incarnation has prepared, and has not yet
    /// tried to finish, is its own.
    package let checksOwner: Bool

    package init(
        participant: String, gid: String, decision: Decision, evidence: PreparedEvidence?,
        fence: Fence, version: Int? = nil, checksOwner: Bool = true
    ) {
        self.participant = participant
        self.gid = gid
        self.decision = decision
        self.evidence = evidence
        self.fence = fence
        self.version = version
        self.checksOwner = checksOwner
    }
}

/// How finishing a branch went.
package struct FinishReport: Sendable {
    /// The reply, for the protocol.
    package let reply: FinishReply
    /// The failure, safe to show.
    package let error: String?

    package init(_ reply: FinishReply, error: String? = nil) {
        self.reply = reply
        self.error = error
    }
}

/// The slots for prepared transactions on a participant's server, as known without asking it.
package struct SlotUsage: Sendable, Hashable {
    /// The server's `max_prepared_transactions`.
    package let limit: Int
    /// How many this replica's branches in the participant may hold, if that is configured.
    package let share: Int?
    /// Those that this replica's branches in the participant hold, or will once they are prepared.
    package let own: Int
    /// Those that others held when they were last counted: other replicas, other programs, other
    /// databases of the server; nil until the first count.
    package let others: Int?

    /// All that are known to be in use.
    package var inUse: Int { own + (others ?? 0) }

    package init(limit: Int, share: Int? = nil, own: Int, others: Int? = nil) {
        self.limit = limit
        self.share = share
        self.own = own
        self.others = others
    }
}

/// The prepared transactions of a participant's server, as the last scan read them.
package struct PreparedSurvey: Sendable, Hashable {
    /// All of them, whosever they are, in all databases of the server.
    package let count: Int
    /// Those whose gids do not name this installation: tandem never touches them.
    package let foreignCount: Int
    /// The age of the oldest; nil if there are none.
    package let oldestAgeSeconds: Double?
    /// How many transaction ids were given out since the oldest one's: so far back VACUUM cannot
    /// remove rows, and it freezes none; nil if there are none.
    package let oldestXminAge: Int?
    /// When it was read.
    package let at: Timestamp

    package init(
        count: Int, foreignCount: Int, oldestAgeSeconds: Double?, oldestXminAge: Int?,
        at: Timestamp
    ) {
        self.count = count
        self.foreignCount = foreignCount
        self.oldestAgeSeconds = oldestAgeSeconds
        self.oldestXminAge = oldestXminAge
        self.at = at
    }
}

/// What is known of a participant without asking it.
package struct ParticipantStatus: Sendable, Hashable {
    /// The registered name.
    package let name: String
    /// Whether work can be sent.
    package let isAvailable: Bool
    /// Whether the first connection is still being made.
    package let isConnecting: Bool
    /// The most working sessions.
    package let poolSize: Int
    /// The working sessions that are open.
    package let connections: Int
    /// Those that are idle.
    package let idle: Int
    /// The slots for prepared transactions on its server; nil until known.
    package let slots: SlotUsage?
    /// The last failure to connect, safe to show.
    package let lastError: String?
    /// The cluster's system identifier, once known.
    package let systemIdentifier: String?
    /// The timeline, once known.
    package let timeline: UInt32?
    /// The version of the participant, once known.
    package let version: Int?
    /// Whether requests to finish branches are sent to it.
    package let circuit: Circuit
    /// Failed attempts to connect since the last one that succeeded.
    package let failuresInARow: Int
    /// Its prepared transactions, as the last scan read them; nil before the first.
    package let survey: PreparedSurvey?
    /// What on its server can undo two-phase commit, as it was read last; nil before the first time.
    package let hazards: HazardSurvey?

    /// Whether requests are sent to a participant at all.
    ///
    /// While it cannot be reached, its branches wait and nothing is sent. One attempt to connect at a
    /// time, at growing intervals, finds out when it is back; then all branches are tried at once.
    package enum Circuit: String, Sendable, Hashable {
        /// It answers.
        case closed
        /// It did not, and the next attempt is not due.
        case open
        /// One attempt is under way.
        case halfOpen
    }

    package init(
        name: String, isAvailable: Bool, isConnecting: Bool, poolSize: Int, connections: Int,
        idle: Int, slots: SlotUsage?, lastError: String?, systemIdentifier: String?,
        timeline: UInt32?, version: Int?, circuit: Circuit, failuresInARow: Int,
        survey: PreparedSurvey? = nil, hazards: HazardSurvey? = nil
    ) {
        self.name = name
        self.isAvailable = isAvailable
        self.isConnecting = isConnecting
        self.poolSize = poolSize
        self.connections = connections
        self.idle = idle
        self.slots = slots
        self.lastError = lastError
        self.systemIdentifier = systemIdentifier
        self.timeline = timeline
        self.version = version
        self.circuit = circuit
        self.failuresInARow = failuresInARow
        self.survey = survey
        self.hazards = hazards
    }
}
