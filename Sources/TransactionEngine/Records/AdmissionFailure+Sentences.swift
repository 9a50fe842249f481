/// Sentences for people about what was refused; both interfaces show them.
extension SlotUsage {
    /// Which slots are in use, and by whom.
    public func sentence(_ name: String) -> String {
        if let share, own >= share {
            return "This replica's branches in \(name) hold all \(share) slots for prepared "
                + "transactions that preparedSlots gives them."
        }
        let others = others.map { "\($0)" } ?? "an unknown number"
        return
            "Too few of the \(limit) slots for prepared transactions on the server of \(name) are "
            + "free: this replica's branches there hold \(own), and \(others) are held by other "
            + "replicas, programs or databases; pg_prepared_xacts lists them."
    }
}

extension SessionUsage {
    /// Why nobody got a session.
    public func sentence(_ name: String, waited: Duration) -> String {
        let milliseconds =
            waited.components.seconds * 1000 + waited.components.attoseconds / 1_000_000_000_000_000
        let more = open < limit ? lastError.map { "; no more could be opened: \($0)" } ?? "" : ""
        return "No session of \(name) became free within \(milliseconds) ms: \(open) of at most "
            + "\(limit) are open, and all are busy\(more)."
    }
}

extension Overload {
    /// What there is too much of.
    public var sentence: String {
        switch self {
        case .transactions(let limit):
            "\(limit) transactions are under way here, and no more are let in."
        case .waiting(let limit):
            "\(limit) requests wait here for sessions of participants, and no more may."
        }
    }
}
