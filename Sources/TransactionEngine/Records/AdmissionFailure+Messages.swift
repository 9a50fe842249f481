extension SlotUsage {
    /// Says which slots are in use, and by whom, for callers of both interfaces.
    package func message(participant name: String) -> String {
        if let share, own >= share {
            return
                "This replica uses all \(share) slots for prepared transactions that preparedSlots "
                + "allows it in \(name)."
        }
        let others = others.map { "\($0)" } ?? "an unknown number"
        return
            "Too few of the \(limit) slots for prepared transactions on the server of \(name) are "
            + "free: this replica's branches hold \(own), and \(others) are held by other "
            + "replicas, programs or databases; pg_prepared_xacts lists them."
    }
}

extension SessionUsage {
    /// Says why no session became free, for callers of both interfaces.
    package func message(participant name: String, waited: Duration) -> String {
        let milliseconds =
            waited.components.seconds * 1000 + waited.components.attoseconds / 1_000_000_000_000_000
        if let contendedLimit {
            return "No session of \(name) became free within \(milliseconds) ms: transactions with "
                + "these statements and parameter values waited for other transactions' locks "
                + "lately, so they may use \(contendedLimit) of its \(limit) sessions together, and "
                + "these are busy."
        }
        let more = open < limit ? lastError.map { "; no more could be opened: \($0)" } ?? "" : ""
        return "No session of \(name) became free within \(milliseconds) ms: \(open) of at most "
            + "\(limit) are open, and all are busy\(more)."
    }
}

extension Overload {
    /// Names the limit that is reached, for callers of both interfaces.
    package var message: String {
        switch self {
        case .transactions(let limit):
            "\(limit) transactions are already running here, which is the limit."
        case .waiting(let limit):
            "\(limit) requests already wait here for sessions of participants, which is the limit."
        case .waitingContended(let limit):
            "\(limit) requests with statements and parameter values that waited for other "
                + "transactions' locks lately already wait here for sessions of participants, "
                + "which is the limit for such requests."
        }
    }
}
