package import CommitProtocol
package import EventLoop

/// The durable record of accepted transactions, their decisions and their ends.
///
/// In production this is a table of the state database.
///
/// A completion is called once, on the loop, and possibly before the function returns.
package protocol DecisionLog: LogReader {
    /// The loop that completions are called on.
    var loop: EventLoop { get }
    /// The installation's UUID, which is part of every gid.
    var installation: String { get }
    /// This replica's name.
    var replica: String { get }
    /// The epoch of this incarnation of the replica; `perform` and `claimUnowned` check that it is current.
    var epoch: Int64 { get }
    /// Records that wait for the next batched write; 0 in a log that writes each at once.
    @LoopActor
    var waitingRecordCount: Int { get }

    /// The name that a branch is prepared under.
    func preparedName(of id: GlobalTransactionID, branch: Int, branchCount: Int) -> String
    /// Finds an unused id; at once, without a round trip, in the usual case.
    @LoopActor
    func nextTransactionID(
        then completion: @escaping Completion<Result<GlobalTransactionID, LogUnavailable>>)
    /// Writes one record that the protocol asks for; the answer is what the row says then.
    @LoopActor
    func perform(_ write: LogWrite, then completion: @escaping Completion<LogAnswer>)

    /// Records durably, and at once, that a commit is finished in every branch, if the row holds its
    /// decision. Any replica that has seen the finish may record it.
    ///
    /// A caller is waiting, so this gives up after a moment.
    func recordFinish(_ record: TransactionRecord) async throws(LogUnavailable)
    /// Notes in the row that a rollback was requested, for the owner of a commit point to see.
    ///
    /// This decides nothing, and may get lost: the request is repeated if need be.
    func requestRollback(_ id: GlobalTransactionID) async throws(LogUnavailable)
    /// Makes unfinished rows that no living replica owns this replica's own, and returns them.
    ///
    /// The write is synchronous, so the decision in such a row may be acted on.
    ///
    /// Rows of this incarnation that are not in `active` are returned as well: the answer of an
    /// earlier claim may have been lost. The log calls `active` as late as it can, since more
    /// transactions are accepted all the time; one that is accepted later still may nevertheless be
    /// returned. A row with a participant that is not in `known` is left to another living replica,
    /// if there is one that knows all of its participants.
    func claimUnowned(
        limit: Int, known: [String], active: @Sendable () async -> [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [TransactionRecord]
    /// Returns the row of this id from a durable write, so that its decision may be acted on and
    /// reported.
    func confirmedRecord(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord?
    /// Records a resolution together with the change that it makes; returns false if the row has
    /// changed since `record` was read.
    func resolve(
        _ record: TransactionRecord, by resolution: Resolution, changing change: ResolutionChange
    ) async throws(LogUnavailable) -> Bool
}

/// Receives what the decision log writes, for metrics.
///
/// Each call is made on the loop, and has to return at once.
package protocol LogObserver: Sendable {
    /// A flush of so many records was answered, after so long; false if it failed.
    func flushed(recordCount: Int, in time: Duration, isWritten: Bool)
}

/// The reads of the log.
///
/// A row that a plain read returns may still be lost in a failover, so nothing is done to a branch
/// on the strength of it.
package protocol LogReader: Sendable {
    /// The row of this id.
    func record(_ id: GlobalTransactionID) async throws(LogUnavailable) -> TransactionRecord?
    /// The row that holds this principal's key.
    func record(
        principal: String, keyDigest: [UInt8]
    ) async throws(LogUnavailable) -> TransactionRecord?
    /// Rows that match, in the filter's order, of as many as one page may examine.
    func records(_ filter: RecordFilter) async throws(LogUnavailable) -> RecordPage
    /// How long each queue is, of as many transactions as may be counted.
    func queues(countMax: Int) async throws(LogUnavailable) -> [QueueSummary]
    /// All replicas, by name.
    func replicas() async throws(LogUnavailable) -> [ReplicaReport]
    /// The transactions that wait for an operator; nil if there are none.
    func operatorQueue() async throws(LogUnavailable) -> OperatorQueue?
    /// The resolutions recorded for this id, oldest first.
    func resolutions(of id: GlobalTransactionID) async throws(LogUnavailable) -> [Resolution]
    /// Undecided rows of other living replicas whose deadline has passed by the log's own clock;
    /// any replica aborts them.
    func expired(limit: Int) async throws(LogUnavailable) -> [TransactionRecord]
    /// Which of these ids have rows, whether a living replica owns them, and what they say.
    func standing(
        of ids: [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [GlobalTransactionID: RowStanding]
    /// Retention may have removed the rows of ids with smaller numbers.
    func lowWaterMark() async throws(LogUnavailable) -> Int64
}

@LoopActor
extension DecisionLog {
    /// Writes one record, and waits for the answer.
    package func perform(_ write: LogWrite) async -> LogAnswer {
        await withCheckedContinuation { reply in perform(write) { reply.resume(returning: $0) } }
    }
}

extension DecisionLog {
    @LoopActor
    package var waitingRecordCount: Int { 0 }

    /// `tandem:<installation>:<transaction>:<branch>`: the name that scans know as ours.
    package func preparedName(
        of id: GlobalTransactionID, branch: Int, branchCount: Int
    ) -> String {
        PreparedTransactionName(installation: installation, transaction: id, branch: branch)
            .description
    }
}

/// What is recorded of a transaction cannot be read or written now.
///
/// Usually the state database did not answer a read, refused it, or certainly did not take a write.
/// A status has one more reason: the row was read, and the decision is elsewhere or on its way.
package struct LogUnavailable: Error, Sendable, Hashable {
    /// Why, safe to show.
    package let reason: String
    /// Whether a decision may have been made that cannot be read now: its commit point, perhaps a
    /// participant, does not answer, or the answer to a decision that was asked for is on its way.
    package let isOutcomeUnknown: Bool

    package init(_ reason: String, isOutcomeUnknown: Bool = false) {
        self.reason = reason
        self.isOutcomeUnknown = isOutcomeUnknown
    }
}

/// One record to write: what the protocol asks for, and the row as it is to be.
package struct LogWrite: Sendable {
    /// What is written, and which answers it can have.
    package let request: LogRequest
    /// The transaction with its branches, evidence, results and problem.
    package let record: TransactionRecord
    /// The next run of the same request, for a `decide` or `copy` of an abort.
    ///
    /// If the abort takes effect, the same durable write accepts this row, gives it the key, and names
    /// it in the aborted row as `retriedAs`: so one key never has two outcomes. The answer is then
    /// `retried`, also when the same write is sent again.
    package var successor: TransactionRecord? { successors.first }
    /// The successor, apart: a record is large, nearly no write has one, and writes are copied often.
    private let successors: [TransactionRecord]

    /// Makes a write of a transaction's record.
    package init(
        _ request: LogRequest, of record: TransactionRecord, successor: TransactionRecord? = nil
    ) {
        self.request = request
        self.record = record
        successors = successor.map { [$0] } ?? []
    }
}

/// What the log answers to a write.
package enum LogAnswer: Sendable, Hashable {
    /// The row is inserted, durably.
    case accepted
    /// Another transaction holds the key.
    case keyTaken
    /// The row holds this decision, durably, and this evidence of each branch; the evidence came
    /// with the decision, and may be another owner's.
    case decided(Decision, evidence: [PreparedEvidence?])
    /// The row holds abort, durably, and the successor that came with the write is accepted.
    case retried
    /// The row holds no decision, and says, durably, that a branch decides: the one-phase branch of
    /// this evidence, or a journal.
    case delegated(evidence: [PreparedEvidence?])
    /// There is no row.
    case missing
    /// A lazy write is done.
    case recorded
    /// An accept was certainly not written.
    case notWritten(reason: String)
    /// It may have been written.
    case unknown(reason: String)

    /// Whether it says what the row holds, durably: a decision, or where the decision is made.
    package var isKnown: Bool {
        switch self {
        case .decided, .delegated, .retried: true
        case .accepted, .keyTaken, .missing, .recorded, .notWritten, .unknown: false
        }
    }
}

/// Which rows to list.
package struct RecordFilter: Sendable, Hashable {
    /// Only this principal's.
    package var principal: String?
    /// Only in one of these states; empty for any.
    package var states: [TransactionState] = []
    /// Only with a branch in this participant.
    package var participant: String?
    /// Only with all of these labels.
    package var labels: [TransactionRequest.Label] = []
    /// Only accepted before this.
    package var acceptedBefore: Timestamp?
    /// Only with this key digest.
    package var keyDigest: [UInt8]?
    /// Only in this queue.
    package var queue: TransactionQueue?
    /// In which order they are listed.
    package var order = Order.newest
    /// Only with numbers beyond this one, in that order.
    package var cursor: Int64?
    /// At most so many.
    package var limit = 50
    /// How many rows are examined at most to find them.
    package var examinedMax = 5000

    /// An order of rows, by their numbers, which is nearly that of acceptance.
    package enum Order: String, Sendable, Hashable, CaseIterable {
        /// Those with the greatest numbers first.
        case newest
        /// Those with the smallest numbers first.
        case oldest
    }

    /// A filter that lets everything through.
    package init() {}
}

/// Some of the rows that match.
package struct RecordPage: Sendable {
    /// The rows, in the order that was asked for; there may be fewer than were asked for, or none,
    /// although more follow.
    package let records: [TransactionRecord]
    /// What `RecordFilter.cursor` has to be for the next page; nil if this is the last.
    package let next: Int64?

    package init(records: [TransactionRecord], next: Int64? = nil) {
        self.records = records
        self.next = next
    }
}
