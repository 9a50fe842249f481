import CommitProtocol
import TransactionEngine

/// Waits for locks as JSON, and as lines of text.
///
/// A session that waits for a hot row may have hundreds of others before it, and a cycle may be long:
/// each list is cut, so that neither a status nor a recorded problem grows without bound.
enum LockWaitRendering {
    /// How many blockers of a wait are shown; their count is shown as well.
    static let blockersMax = 8
    /// How many waits of a cycle are shown.
    static let cycleMax = 16

    /// The waits in a participant's database, the longest first.
    static func json(_ waits: [LockWaitReport]) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.name("waits")
            writer.array(sorted(waits)) { $0.write(to: &$1) }
        }
        return writer.bytes
    }

    /// One line a wait for shells, the longest first: since when, the waiter, relation, row, and the
    /// blockers; with tabs, and `-` for what is not known.
    static func lines(_ waits: [LockWaitReport]) -> [UInt8] {
        sorted(waits).flatMap { wait in
            let parts: [String?] = [
                UTCTime(microseconds: wait.since).text, wait.waiter.text, wait.relation, wait.row,
                wait.shownBlockers.map(\.text).joined(separator: ","),
            ]
            let line = parts.map { $0.map(withoutControls) ?? "-" }.joined(separator: "\t")
            return Array((line + "\n").utf8)
        }
    }

    private static func sorted(_ waits: [LockWaitReport]) -> [LockWaitReport] {
        waits.sorted { ($0.since, $0.waiter.text) < ($1.since, $1.waiter.text) }
    }

    /// A text that stays in its column: names in PostgreSQL may hold tabs and line feeds.
    static func withoutControls(_ text: String) -> String {
        String(text.map { $0.unicodeScalars.contains { $0.value < 0x20 } ? "?" : $0 })
    }
}

extension LockWaitReport {
    /// The wait as a caller may see it who is no operator: of those that block it, nothing but the
    /// transaction, whose id gives no right to it.
    var withoutStrangers: LockWaitReport {
        let blockers = blockers.map { blocker in
            var known = Party()
            known.transaction = blocker.transaction
            known.branch = blocker.branch
            return known
        }
        return LockWaitReport(
            participant: participant, waiter: waiter, blockers: blockers, since: since,
            relation: relation, row: row)
    }

    fileprivate var shownBlockers: ArraySlice<Party> {
        blockers.prefix(LockWaitRendering.blockersMax)
    }

    /// Writes the wait of any session: with the participant and the waiter.
    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("participant", participant)
            writer.name("waiter")
            waiter.write(to: &writer)
            writeMembers(to: &writer)
        }
    }

    /// Writes the wait of a branch, whose participant and transaction are known.
    func writeOfBranch(to writer: inout JSONWriter) {
        writer.object { writeMembers(to: &$0) }
    }

    private func writeMembers(to writer: inout JSONWriter) {
        writer.time("since", since)
        writer.nullable("relation", relation)
        writer.nullable("row", row)
        writer.member("blockerCount", blockers.count)
        writer.name("blockers")
        writer.array(shownBlockers) { $0.write(to: &$1) }
    }

    /// The same wait with one of its blockers first, so that no cut hides it.
    fileprivate func placingFirst(_ blocker: Party) -> LockWaitReport {
        guard let index = blockers.firstIndex(where: blocker.isSame) else { return self }
        var blockers = blockers
        blockers.insert(blockers.remove(at: index), at: 0)
        return LockWaitReport(
            participant: participant, waiter: waiter, blockers: blockers, since: since,
            relation: relation, row: row)
    }
}

extension LockCycle {
    /// The waits to show, each with the next one's waiter as its first blocker.
    var shown: [LockWaitReport] {
        let shown = waits.prefix(LockWaitRendering.cycleMax)
        return shown.enumerated().map { index, wait in
            wait.placingFirst(waits[(index + 1) % waits.count].waiter)
        }
    }
}

extension LockWaitReport.Party {
    /// Whether both are the same transaction, or the same session of a stranger.
    fileprivate func isSame(as other: Self) -> Bool {
        transaction == nil
            ? processID != nil && processID == other.processID
            : transaction == other.transaction
    }

    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.nullable("transaction", transaction?.description)
            writer.nullable("branch", branch)
            writer.nullable("processId", processID.map(Int.init))
            writer.nullable("gid", gid)
            writer.nullable("role", role)
            writer.nullable("applicationName", applicationName)
        }
    }

    /// One word for shells: the transaction and its branch, the gid, or the server process.
    fileprivate var text: String {
        if let transaction { return branch.map { "\(transaction)/\($0)" } ?? "\(transaction)" }
        return gid ?? processID.map { "pid:\($0)" } ?? "?"
    }
}
