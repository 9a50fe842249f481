public import CommitProtocol

/// The durable record of acceptances, decisions and ends.
///
/// The production one is a table.
public protocol DecisionLog: Sendable {
    /// The installation's UUID, which is part of every gid.
    var installation: String { get }
    /// This replica's name.
    var replica: String { get }
    /// The epoch that this life of the replica took; guards every write.
    var epoch: Int64 { get }

    /// The name that a branch is prepared under.
    func preparedName(of id: GlobalTransactionID, branch: Int, branchCount: Int) -> String
    /// An unused id, without a round trip in the usual case.
    func nextTransactionID() async throws(LogUnavailable) -> GlobalTransactionID
    /// Inserts the row.
    func accept(_ record: TransactionRecord) async -> AcceptAnswer
    /// Records the decision unless one is there, with evidence, results and problem.
    func decide(_ decision: Decision, _ record: TransactionRecord) async -> DecideAnswer
    /// Inserts the row with the decision abort, or aborts the undecided row that is there.
    func tombstone(_ record: TransactionRecord) async -> DecideAnswer
    /// Records, unless a decision is there, that the one-phase branch decides; with evidence and
    /// results.
    func delegate(_ record: TransactionRecord) async -> DecideAnswer
    /// Records what a register decided, inserting the row if there is none.
    func copy(_ decision: Decision, _ record: TransactionRecord) async -> DecideAnswer
    /// Records the end, and the register's decision if no copy of it was made. It may be written
    /// late; a loss costs one needless recovery.
    func finish(_ record: TransactionRecord) async
    /// Records that nobody can tell the decision. It may be written late.
    func report(_ record: TransactionRecord) async
    /// Records how branches have ended so far, one of them against the decision or unprovably. It may
    /// be written late, and never after the end; a loss costs that it is found again.
    func noteOutcomes(_ record: TransactionRecord) async
    /// The row of this id.
    func record(_ id: GlobalTransactionID) async throws(LogUnavailable) -> TransactionRecord?
    /// The row that holds this principal's key.
    func record(
        principal: String, keyDigest: [UInt8]
    ) async throws(LogUnavailable) -> TransactionRecord?
    /// Those that wait for an operator's word; nil if there are none.
    func operatorQueue() async throws(LogUnavailable) -> OperatorQueue?
    /// Rows by descending age.
    func records(_ filter: RecordFilter) async throws(LogUnavailable) -> [TransactionRecord]
    /// Has the row say that a rollback is wanted, for the owner of a register to see. It decides
    /// nothing, and may be lost: whoever wants it asks again.
    func requestRollback(_ id: GlobalTransactionID) async throws(LogUnavailable)
    /// Unfinished rows which no living replica owns, after making them this replica's own by a
    /// synchronous write; the decision in them may therefore be acted on.
    ///
    /// Rows of this life that are not among `driven` are answered as well: an earlier claim may have
    /// landed without its answer. Who is driven is asked as late as the log can, for more is accepted
    /// all the time; what is accepted later still may be answered nevertheless. A row with a
    /// participant that is not among `known` is left to another living replica that knows all of its
    /// participants.
    func claimUnowned(
        limit: Int, known: [String], active: @Sendable () async -> [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [TransactionRecord]
    /// Undecided rows that other living replicas own, and whose deadline is past by the log's own
    /// clock: anybody aborts them.
    func expired(limit: Int) async throws(LogUnavailable) -> [TransactionRecord]
    /// The row of this id, read by a durable write of one's own: its decision may be acted on, and
    /// may be told.
    func confirmedRecord(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord?
    /// Records at once, and durably, that a commit has ended in every branch, if its decision is
    /// recorded; whoever has seen it may do so. A caller waits, so it is given up after a moment.
    func recordEnd(_ record: TransactionRecord) async throws(LogUnavailable)
    /// Records a resolution together with the change that it makes; false if the row is no longer as
    /// the record has it.
    func resolve(
        _ record: TransactionRecord, _ resolution: Resolution, _ change: ResolutionChange
    ) async throws(LogUnavailable) -> Bool
    /// The resolutions recorded for this id, oldest first.
    func resolutions(
        of id: GlobalTransactionID
    ) async throws(LogUnavailable) -> [Resolution]
    /// Which of these ids have rows, whether somebody alive drives them, and what they say.
    func standing(
        of ids: [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [GlobalTransactionID: RowStanding]
    /// Ids with smaller numbers may have lost their rows to retention.
    func lowWaterMark() async throws(LogUnavailable) -> Int64
}

extension DecisionLog {
    /// `tandem:<installation>:<transaction>:<branch>`: the name that scans know as ours.
    public func preparedName(
        of id: GlobalTransactionID, branch: Int, branchCount: Int
    ) -> String {
        PreparedTransactionName(installation: installation, transaction: id, branch: branch)
            .description
    }
}

/// The state database did not answer a read, refused it, or certainly did not take a write.
public struct LogUnavailable: Error, Sendable, Hashable {
    /// Why, safe to show.
    public let reason: String
    /// Whether it did answer, and the decision may be elsewhere, where nobody answers.
    public let isOutcomeUnknown: Bool

    /// Makes it of a reason.
    public init(_ reason: String, isOutcomeUnknown: Bool = false) {
        self.reason = reason
        self.isOutcomeUnknown = isOutcomeUnknown
    }
}

/// The log's answer to an accept.
public enum AcceptAnswer: Sendable, Hashable {
    /// The row is durable.
    case accepted
    /// The key is taken.
    case keyTaken
    /// Surely not written.
    case unavailable(String)
    /// Perhaps written.
    case unknown(String)
}

/// The log's answer to a decision.
public enum DecideAnswer: Sendable, Hashable {
    /// This decision is in the row, durably, with this evidence of each branch; the evidence came
    /// with the decision, and may be another owner's.
    case decided(Decision, evidence: [PreparedEvidence?])
    /// Nothing is decided in the row, and it says, durably, that a branch decides: the one-phase
    /// branch of this evidence, or a journal.
    case delegated(evidence: [PreparedEvidence?])
    /// There is no row.
    case missing
    /// Perhaps written.
    case unknown(String)
}

/// Which rows to list.
public struct RecordFilter: Sendable, Hashable {
    /// Only this principal's.
    public var principal: String?
    /// Only in one of these states; empty for any.
    public var states: [TransactionState] = []
    /// Only with a branch in this participant.
    public var participant: String?
    /// Only with all of these labels.
    public var labels: [TransactionRequest.Label] = []
    /// Only accepted before this.
    public var acceptedBefore: Timestamp?
    /// Only with this key digest.
    public var keyDigest: [UInt8]?
    /// Only with numbers below this one.
    public var before: Int64?
    /// At most so many.
    public var limit = 50

    /// A filter that lets everything through.
    public init() {}
}

/// Some of the rows that match.
public struct RecordPage: Sendable {
    /// The rows, newest first; there may be fewer than were asked for, or none, and more behind them.
    public let records: [TransactionRecord]
    /// What `RecordFilter.before` has to be for the next page; nil if this is the last.
    public let next: Int64?
}
