/// The query of `GET /v1/transactions/{id}`.
struct TransactionQuery: Hashable, Sendable {
    /// `wait`: how many seconds to wait for the end, 0 to 60.
    var waitSeconds = 0

    /// Reads the parameters of a query.
    ///
    /// - Throws: ``Problem`` of type `invalid-request` with everything that is wrong.
    static func decode(
        _ items: [(name: String, value: String)]
    ) throws(Problem) -> TransactionQuery {
        var reader = QueryReader(items, known: ["wait"])
        let waitSeconds = reader.integer("wait", in: 0...Preferences.waitSecondsMax)
        try reader.issues.throwIfAny()
        return TransactionQuery(waitSeconds: waitSeconds ?? 0)
    }
}

/// The query of `GET /livez` and `GET /readyz`.
struct HealthQuery: Hashable, Sendable {
    /// `verbose`, without a value or with `true`: the answer lists what was checked.
    var isVerbose = false

    /// Reads the parameters of a query.
    ///
    /// - Throws: ``Problem`` of type `invalid-request` with everything that is wrong.
    static func decode(_ items: [(name: String, value: String)]) throws(Problem) -> HealthQuery {
        var reader = QueryReader(items, known: ["verbose"])
        let isVerbose = reader.value("verbose", "true, false or no value is wanted.") {
            switch $0 {
            case "", "true": true
            case "false": false
            default: nil
            }
        }
        try reader.issues.throwIfAny()
        return HealthQuery(isVerbose: isVerbose ?? false)
    }
}

/// The query of a resource that has no parameters.
enum NoQuery {
    /// Refuses any parameter.
    ///
    /// - Throws: ``Problem`` of type `invalid-request` with everything that is wrong.
    static func decode(_ items: [(name: String, value: String)]) throws(Problem) {
        try QueryReader(items, known: []).issues.throwIfAny()
    }
}
