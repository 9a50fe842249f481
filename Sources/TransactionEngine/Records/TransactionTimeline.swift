package import CommitProtocol

/// When the steps of a transaction happened, as the replica that coordinates it saw them.
///
/// It is kept in memory alone: the row holds only when a transaction was accepted, decided and
/// finished. Times are counted by a monotonic clock from the beginning, so that a clock that is set
/// meanwhile does not bend them.
package struct TransactionTimeline: Sendable {
    /// What happened.
    package enum Moment: String, Sendable, Hashable, CaseIterable {
        /// The request was let in, with a session for every branch.
        case accepted
        /// The row is durable; before the work if the request has a key.
        case acceptanceRecorded
        /// This replica claimed the row, which another incarnation had begun.
        case takenOver
        /// The work of a branch was sent.
        case workBegan
        /// A branch has voted, or its session was lost.
        case workEnded
        /// The log, or the commit point, was asked to hold the decision.
        case decisionRequested
        /// The decision is durable.
        case decided
        /// The last attempt to finish a branch that failed; earlier ones are left out.
        case attemptFailed
        /// A branch has ended.
        case branchFinished
        /// An operator resolved a branch.
        case resolved
        /// Nothing is left to do.
        case finished
    }

    /// One moment of the replica's memory.
    private struct Entry: Sendable, Hashable {
        /// Since the beginning.
        var microseconds: Int64
        let moment: Moment
        let branch: Int16

        static let wholeTransaction: Int16 = -1
    }

    /// The transaction.
    package let transaction: GlobalTransactionID
    /// The caller's position in a trace as its program's tracer has it; nil if there is none.
    package let traceContext: (any Sendable)?
    /// When it began here, by the wall clock.
    package let beganAt: Timestamp
    /// The same moment, in microseconds of the engine's clock.
    let start: Int64
    private var entries: [Entry] = []

    /// Begins a timeline, with its first moment.
    init(
        of transaction: GlobalTransactionID, branchCount: Int, first: Moment, at beganAt: Timestamp,
        clock start: Int64, traceContext: (any Sendable)? = nil
    ) {
        self.transaction = transaction
        self.traceContext = traceContext
        self.beganAt = beganAt
        self.start = start
        entries.reserveCapacity(5 + 3 * branchCount)
        entries.append(Entry(microseconds: 0, moment: first, branch: Entry.wholeTransaction))
    }

    /// Adds a moment, at microseconds of the engine's clock.
    ///
    /// Each is kept once, so that a transaction which goes on for days stays small: the first, or of
    /// failed attempts the last.
    mutating func add(_ moment: Moment, branch: Int? = nil, at now: Int64) {
        let number = branch.map { Int16(truncatingIfNeeded: $0) } ?? Entry.wholeTransaction
        if let known = entries.lastIndex(where: { $0.moment == moment && $0.branch == number }) {
            guard moment == .attemptFailed else { return }
            entries.remove(at: known)
        }
        entries.append(Entry(microseconds: now - start, moment: moment, branch: number))
    }

    /// Adds the moment that an event of the machine stands for, if it stands for one.
    mutating func add(_ event: Event, at now: Int64) {
        switch event {
        case .accepted:
            add(.acceptanceRecorded, at: now)
        case .voted(let branch, _):
            add(.workEnded, branch: branch, at: now)
        case .decided, .localCommitAnswered(.committed), .commitPointAnswered(.decided):
            add(.decided, at: now)
        case .finished(let branch, .tryAgain):
            add(.attemptFailed, branch: branch, at: now)
        case .finished(let branch, _):
            add(.branchFinished, branch: branch, at: now)
        case .begin, .adopt, .acceptRefused, .acceptUnavailable, .acceptUnknown, .decisionMissing,
            .decisionUnknown, .delegated, .delegationFound, .localCommitAnswered,
            .commitPointAnswered, .due, .rollbackRequested:
            break
        }
    }

    /// The time of the last moment, by the wall clock of the beginning.
    package var endedAt: Timestamp { beganAt + (entries.last?.microseconds ?? 0) }

    /// Whether this replica coordinated the transaction from its beginning.
    package var isFromBeginning: Bool { entries.first?.moment == .accepted }

    /// Whether no attempt failed, and no other incarnation had to begin or finish it.
    var isSmooth: Bool {
        isFromBeginning && !entries.contains { $0.moment == .attemptFailed }
    }

    // MARK: Durations

    /// From the first work that was sent to the last vote; nil if no branch worked here.
    package var work: Duration? { duration(from: .workBegan, to: .workEnded) }
    /// From asking for the decision until it was durable.
    package var decision: Duration? { duration(from: .decisionRequested, to: .decided) }
    /// From the durable decision to the end of the last branch.
    package var finish: Duration? { duration(from: .decided, to: .branchFinished) }
    /// From the beginning, here, to the last moment.
    package var whole: Duration { .microseconds(entries.last?.microseconds ?? 0) }

    /// From the first of one moment to the last of another.
    private func duration(from first: Moment, to last: Moment) -> Duration? {
        guard let start = entries.first(where: { $0.moment == first }),
            let end = entries.last(where: { $0.moment == last })
        else { return nil }
        return .microseconds(max(0, end.microseconds - start.microseconds))
    }
}

/// One line of what is known of a transaction's course.
package struct TimelineEvent: Sendable, Hashable {
    /// Where it is known from.
    package enum Source: String, Sendable, Hashable {
        /// The row of the state database: durable, and the same at every replica.
        case stateDatabase
        /// The memory of the replica that was asked.
        case replica
    }

    /// When it happened.
    package let at: Timestamp
    /// What happened.
    package let moment: TransactionTimeline.Moment
    /// The branch that it concerns; nil if it is the whole transaction.
    package let branch: Int?
    /// Where it is known from.
    package let source: Source

    package init(
        at: Timestamp, _ moment: TransactionTimeline.Moment, branch: Int? = nil, source: Source
    ) {
        self.at = at
        self.moment = moment
        self.branch = branch
        self.source = source
    }
}

extension TransactionTimeline {
    /// What is known of a transaction's course, in its order: from its row, and from this replica's
    /// memory of it, if there is any.
    ///
    /// What the memory holds is left out of the row's: the times of both are of one clock only if
    /// this replica wrote the row.
    package static func events(
        of record: TransactionRecord, _ timeline: TransactionTimeline?
    ) -> [TimelineEvent] {
        var events = timeline?.events ?? []
        func add(_ moment: Moment, at time: Timestamp?) {
            guard let time, !events.contains(where: { $0.moment == moment }) else { return }
            events.append(TimelineEvent(at: time, moment, source: .stateDatabase))
        }
        add(.accepted, at: record.acceptedAt)
        add(.decisionRequested, at: record.decidedAt)
        add(.finished, at: record.finishedAt)
        for resolution in record.resolutions {
            events.append(
                TimelineEvent(
                    at: resolution.at, .resolved, branch: resolution.branch,
                    source: .stateDatabase))
        }
        // Moments of one microsecond stay in the order in which they were seen.
        return events.enumerated().sorted {
            ($0.element.at, $0.offset) < ($1.element.at, $1.offset)
        }.map(\.element)
    }

    /// The moments, in the order in which they were seen.
    package var events: [TimelineEvent] {
        entries.map { entry in
            TimelineEvent(
                at: beganAt + entry.microseconds, entry.moment,
                branch: entry.branch == Entry.wholeTransaction ? nil : Int(entry.branch),
                source: .replica)
        }
    }
}
