import CommitProtocol
import EventLoop

/// Says whose each prepared transaction of a participant's server is, and what can be done about it.
///
/// It only reads: what the server shows, and then the rows. A prepared transaction whose row was
/// written in between is therefore shown with it.
@LoopActor
struct PreparedInspection {
    private let context: EngineContext

    init(_ context: EngineContext) {
        self.context = context
    }

    /// Asks a participant's server what is prepared there, and the log about those that are ours.
    ///
    /// If the log does not answer, the list is worth having all the same: it says what holds which
    /// locks, and its remedies say that the decisions cannot be read now.
    func report(on participant: String) async throws(ParticipantUnreachable) -> PreparedReport {
        let inventory = try await context.participants.inventory(of: participant)
        let ids = Set(inventory.entries.compactMap { ownName($0.gid)?.id })
        let rows = await rows(of: Array(ids))
        return PreparedReport(
            observedAt: context.clock.wallTime,
            entries: inventory.entries.map { entry(for: $0, rows) }, count: inventory.count)
    }

    /// What the log says of some transactions.
    private enum Rows {
        case read([GlobalTransactionID: RowStanding], lowWaterMark: Int64)
        case unreadable(reason: String)
    }

    private func rows(of ids: [GlobalTransactionID]) async -> Rows {
        if ids.isEmpty { return .read([:], lowWaterMark: 0) }
        do {
            return .read(
                try await context.log.standing(of: ids),
                lowWaterMark: try await context.log.lowWaterMark())
        } catch {
            return .unreadable(reason: error.reason)
        }
    }

    private func ownName(_ gid: String) -> (id: GlobalTransactionID, branch: Int)? {
        switch PreparedTransactionName.ownership(of: gid, installation: context.log.installation) {
        case .ours(let id, let branch): (id, branch)
        case .foreign: nil
        }
    }

    private func entry(for found: PreparedInventory.Entry, _ rows: Rows) -> PreparedReport.Entry {
        guard let name = ownName(found.gid) else {
            let (kind, remedy) = stranger(found)
            return PreparedReport.Entry(
                found: found, kind: kind, transaction: nil, branch: nil, remedy: remedy)
        }
        let kind: PreparedReport.Kind
        let remedy: String
        switch rows {
        case .unreadable(let reason):
            kind = .own
            remedy =
                "Leave it: tandem cannot read now whether there is a decision (\(reason)). It finishes "
                + "the branch by itself when it can."
        case .read(let standings, let lowWaterMark):
            let row = standings[name.id]
            let isNamed = row?.gids.contains(found.gid) ?? false
            kind = isNamed ? .own : .orphan
            remedy = self.remedy(for: found, of: name.id, row, lowWaterMark: lowWaterMark)
        }
        return PreparedReport.Entry(
            found: found, kind: kind, transaction: name.id, branch: name.branch, remedy: remedy)
    }

    // MARK: What bears our name

    private func remedy(
        for found: PreparedInventory.Entry, of id: GlobalTransactionID, _ row: RowStanding?,
        lowWaterMark: Int64
    ) -> String {
        let mayHaveLostRow = row == nil && (found.isFromBefore || id.number < lowWaterMark)
        let isNamed = row?.gids.contains(found.gid) ?? false
        if found.claim == .ours, let row, isNamed, let remedy = remedy(for: row, of: id) {
            return remedy
        }
        if found.claim == .ours, row == nil, !mayHaveLostRow {
            return
                "Leave it: if no record of it appears, tandem rolls it back by itself once it is "
                + "older than \(graceSeconds) s."
        }
        return PreparedTransaction(
            found: RecoveryPlan.Found(name: found.gid, ageSeconds: found.ageSeconds),
            isFromBefore: found.isFromBefore, claim: found.claim, owner: found.role,
            database: found.database
        ).remedy(id, row, mayHaveLostRow: mayHaveLostRow)
    }

    private var graceSeconds: Int64 { context.limits.orphanGrace.components.seconds }

    /// What a replica does about a branch by itself; nil if it leaves the branch to an operator.
    private func remedy(for row: RowStanding, of id: GlobalTransactionID) -> String? {
        switch (row.row, row.decision) {
        case (.finished, .commit?): return nil
        case (.finished, _):
            return "Leave it: its transaction was aborted, and tandem rolls it back by itself."
        case (_, .commit?):
            return
                "The decision is to commit, and tandem commits it by itself. POST "
                + "/v1/transactions/\(id)/retry has it try at once."
        case (_, .abort?):
            return
                "The decision is to abort, and tandem rolls it back by itself. POST "
                + "/v1/transactions/\(id)/retry has it try at once."
        case (_, nil):
            return
                "Leave it: nothing is decided yet. GET /v1/transactions/\(id) shows what it waits "
                + "for; POST /v1/transactions/\(id)/rollback aborts it while that is possible."
        }
    }

    // MARK: What does not

    private func stranger(
        _ found: PreparedInventory.Entry
    ) -> (kind: PreparedReport.Kind, remedy: String) {
        let parts = found.gid.split(separator: ":", omittingEmptySubsequences: false)
        if parts.first == "tandem-library", parts.count == 4 {
            return (
                .otherInstallation,
                "A program prepared it that uses tandem's library without a log. If that program "
                    + "no longer runs, `tandem logless` shows the other branches of its transaction, "
                    + "and finishes all of them alike."
            )
        }
        if parts.first == "tandem", parts.count == 4, parts[1] != context.log.installation,
            let id = GlobalTransactionID(parts[2]), Int(parts[3]) != nil
        {
            return (
                .otherInstallation,
                "Ask the installation of tandem with the id \(parts[1]), which decides it: GET "
                    + "/v1/transactions/\(id) there, or `SELECT decision FROM tandem.transactions "
                    + "WHERE number = \(id.number)` in its state database."
            )
        }
        let role = found.role.isEmpty ? "a role that is gone" : "role \"\(found.role)\""
        return (
            .foreign,
            "tandem did not prepare it and does not know what was decided. Ask those who work as "
                + "\(role) in database \"\(found.database)\", or their transaction manager, before "
                + "anybody ends it."
        )
    }
}
