import CommitProtocol
import TransactionEngine

/// The rows of a transaction's timeline: the whole, each branch, and the operators.
struct TransactionCourse {
    let record: TransactionRecord
    let events: [TimelineEvent]
    /// The replica that made the page, whose memory the events of branches are from.
    let replica: String
    let moment: Moment

    var rows: [TimelineChart.Row] {
        var rows = [whole]
        for (number, branch) in record.branches.enumerated() { rows.append(row(branch, number)) }
        if !record.resolutions.isEmpty {
            rows.append(
                TimelineChart.Row(
                    name: "Operators",
                    marks: record.resolutions.map {
                        .init(name: "branch \($0.branch) resolved", tone: .bad, at: $0.at)
                    }))
        }
        return rows
    }

    private func time(
        of kind: TransactionTimeline.Moment, branch: Int? = nil
    ) -> Timestamp? {
        events.first { $0.moment == kind && $0.branch == branch }?.at
    }

    /// When the decision was durable, or, if only the row says so, when it was asked for.
    private var decidedAt: Timestamp? {
        record.decision == nil ? nil : time(of: .decided) ?? record.decidedAt
    }

    private var isFinished: Bool { record.finishedAt != nil }

    private var whole: TimelineChart.Row {
        var row = TimelineChart.Row(name: "Transaction")
        row.spans.append(
            .init(
                name: "undecided",
                tone: decidedAt == nil && record.deadline < moment.now ? .doubt : .busy,
                start: record.acceptedAt, end: decidedAt ?? record.finishedAt))
        if let decidedAt {
            row.spans.append(
                .init(
                    name: record.decision == .commit ? "committing" : "aborting",
                    tone: record.decision == .commit ? .good : .calm, start: decidedAt,
                    end: record.finishedAt))
            row.marks.append(
                .init(
                    name: "decided to \(record.decision?.rawValue ?? "end")", tone: .good,
                    at: decidedAt))
        }
        if let time = time(of: .takenOver) {
            row.marks.append(.init(name: "taken over by \(replica)", tone: .retry, at: time))
        }
        if !isFinished, decidedAt == nil {
            row.marks.append(.init(name: "deadline", tone: .doubt, at: record.deadline))
        }
        return row
    }

    private func row(_ branch: BranchRecord, _ number: Int) -> TimelineChart.Row {
        var row = TimelineChart.Row(name: "Branch \(number): \(branch.participant)")
        if let began = time(of: .workBegan, branch: number) {
            let isRefused = branch.vote == .no
            row.spans.append(
                .init(
                    name: isRefused ? "work, voted no" : "work", tone: isRefused ? .calm : .busy,
                    start: began, end: time(of: .workEnded, branch: number) ?? decidedAt))
        }
        let finished = time(of: .branchFinished, branch: number)
        if let began = decidedAt, finished != nil || branch.outcome == nil && !isFinished {
            row.spans.append(
                .init(
                    name: record.decision == .commit ? "commit" : "rollback",
                    tone: finished == nil ? .retry : branch.tone,
                    start: min(began, finished ?? began), end: finished))
        }
        if let failed = time(of: .attemptFailed, branch: number) {
            row.marks.append(.init(name: "last attempt failed", tone: .retry, at: failed))
        }
        if row.spans.isEmpty {
            row.note =
                "\(replica) does not know its times: it did not coordinate the branch, or has "
                + "forgotten it"
        }
        return row
    }
}
