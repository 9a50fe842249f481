/// The query of `GET /v1/transactions/{id}`.
enum TransactionQuery {
    /// Reads `waitSeconds`: how many seconds to wait for the end, 0 to 60.
    ///
    /// - Throws: ``Problem`` of type `invalid-request` with everything that is wrong.
    static func waitSeconds(_ items: [QueryItem]) throws(Problem) -> Int {
        let reader = QueryReader(items, known: ["waitSeconds"])
        let seconds = reader.integer("waitSeconds", in: 0...60)
        try reader.issues.throwIfAny()
        return seconds ?? 0
    }
}

/// The query of `GET /livez` and `GET /readyz`.
enum HealthQuery {
    /// Reads `verbose`, without a value or with `true`: the answer lists what was checked.
    ///
    /// - Throws: ``Problem`` of type `invalid-request` with everything that is wrong.
    static func isVerbose(_ items: [QueryItem]) throws(Problem) -> Bool {
        let reader = QueryReader(items, known: ["verbose"])
        let isVerbose = reader.value("verbose", expected: "true, false or no value") {
            ["": true, "true": true, "false": false][$0]
        }
        try reader.issues.throwIfAny()
        return isVerbose ?? false
    }
}

/// The query of a resource that has no parameters.
enum NoQuery {
    /// Refuses any parameter.
    ///
    /// - Throws: ``Problem`` of type `invalid-request` with everything that is wrong.
    static func require(_ items: [QueryItem]) throws(Problem) {
        if items.isEmpty { return }
        try QueryReader(items, known: []).issues.throwIfAny()
    }
}
