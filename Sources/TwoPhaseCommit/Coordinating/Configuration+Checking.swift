extension Configuration {
    /// Refuses what no coordinator can work with, before PostgreSQL or a clock does so in other words.
    func check() throws(CoordinatorError) {
        let names = databases.map(\.name)
        if let twice = names.first(where: { name in names.count { $0 == name } > 1 }) {
            throw CoordinatorError(.configuration, "two databases are named \"\(twice)\"")
        }
        try check("inFlightMax", inFlightMax, 1 ... .max)
        try check("queueMax", queueMax, 0 ... .max)
        for database in databases {
            func check<Value: Comparable>(
                _ what: String, _ value: Value, _ range: ClosedRange<Value>
            ) throws(CoordinatorError) {
                try self.check("\(what) of database \"\(database.name)\"", value, range)
            }
            try check("connections", database.connections, 1 ... .max)
            try check("finishingConnections", database.finishingConnections, 1 ... .max)
            try check("preparedTransactionsMax", database.preparedTransactionsMax ?? 1, 1 ... .max)
            try check("rowsMax", database.rowsMax, 0 ... .max)
            try check("bytesMax", database.bytesMax, 0 ... .max)
            try check("connectTimeout", database.connectTimeout, .milliseconds(1) ... .day)
            // Zero is none, as in PostgreSQL.
            try check("statementTimeout", database.statementTimeout, .zero ... .day)
            try check("lockTimeout", database.lockTimeout, .zero ... .day)
        }
        guard case .database(let state) = log else { return }
        try check("timeout of the state database", state.timeout, .milliseconds(1) ... .day)
        try check("lease of the state database", state.lease, .seconds(1) ... .day)
        try check("retention of the state database", state.retention, .zero ... .day * 3650)
    }

    private func check<Value: Comparable>(
        _ what: String, _ value: Value, _ range: ClosedRange<Value>
    ) throws(CoordinatorError) {
        guard !range.contains(value) else { return }
        throw CoordinatorError(
            .configuration,
            "\(what) is \(value), and has to be from \(range.lowerBound) to \(range.upperBound)")
    }
}

extension Duration {
    fileprivate static let day = Duration.seconds(24 * 3600)
}
