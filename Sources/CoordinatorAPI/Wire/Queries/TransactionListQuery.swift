import HTTPServer

/// The query of `GET /v1/transactions`: which transactions, and which page of them.
///
/// All filters must hold; of several states one must.
struct TransactionListQuery: Hashable, Sendable {
    /// A label that a transaction must have.
    struct Label: Hashable, Sendable {
        var name: String
        var value: String
    }

    /// The states that there are, by the names of the protocol.
    static let states = [
        "active", "preparing", "committing", "aborting", "committed", "aborted", "needsOperator",
    ]

    /// `state`, repeatable: the states, in the order of the query; empty is any.
    var states: [String] = []
    /// `participant`: a participant that must have a branch.
    var participant: String?
    /// `label`, repeatable, as `name:value`: the labels that it must have.
    var labels: [Label] = []
    /// `olderThan`: only those accepted before this time.
    var olderThan: UTCTime?
    /// `idempotencyKey`: the key, in double quotes or bare.
    var idempotencyKey: IdempotencyKey?
    /// `cursor`: where the page starts, as an earlier page's `next` said.
    var cursor: String?
    /// `limit`: how many at most.
    var limit = 50

    /// Reads the parameters of a query.
    ///
    /// - Throws: ``Problem`` of type `invalid-request` with everything that is wrong.
    static func decode(
        _ items: [(name: String, value: String)]
    ) throws(Problem) -> TransactionListQuery {
        var reader = QueryReader(
            items,
            known: [
                "state", "participant", "label", "olderThan", "idempotencyKey", "cursor", "limit",
            ],
            repeatable: ["state", "label"])
        var query = TransactionListQuery()
        query.states = readStates(&reader)
        query.participant = reader.value("participant", NameRules.participantRule) {
            NameRules.isParticipant($0) ? $0 : nil
        }
        query.labels = readLabels(&reader)
        query.olderThan = reader.value(
            "olderThan", "A time by RFC 3339 is wanted, for example 2026-03-01T12:00:00Z.",
            parse: UTCTime.init(parsing:))
        query.idempotencyKey = reader.value(
            "idempotencyKey",
            "A key is wanted: 1 to 255 printable ASCII characters, in double quotes as the header "
                + "has it, or bare where it holds neither a quote nor a backslash.",
            parse: IdempotencyKey.read(query:))
        query.cursor = reader.value(
            "cursor", "The member `next` of an earlier page is wanted.",
            parse: { isCursor($0) ? $0 : nil })
        query.limit = reader.integer("limit", in: 1...200) ?? query.limit
        try reader.issues.throwIfAny()
        return query
    }

    /// The target of the page that starts at `cursor`, under the filters of another page's query.
    static func target(_ query: String?, at cursor: String) -> String {
        let filters = (query ?? "").split(separator: "&").filter { part in
            PercentEncoding.decode(part.prefix { $0 != "=" }) != "cursor"
        }
        // What would end the target where it stands between angle brackets.
        let kept = filters.map { $0.replacing("<", with: "%3C").replacing(">", with: "%3E") }
        return "/v1/transactions?" + (kept + ["cursor=\(cursor)"]).joined(separator: "&")
    }

    private static func readStates(_ reader: inout QueryReader) -> [String] {
        let values = reader.values("state")
        for value in values where !states.contains(value) {
            reader.issues.add(
                .parameter("state"),
                "There is no state \"\(value.shortened)\"; known are "
                    + states.joined(separator: ", ") + ".")
        }
        return states.filter(values.contains)
    }

    private static func readLabels(_ reader: inout QueryReader) -> [Label] {
        let values = reader.values("label")
        let limits = WireLimits()
        if values.count > limits.labelsMax {
            reader.issues.add(
                .parameter("label"), "At most \(limits.labelsMax) labels may be asked for.")
            return []
        }
        var labels: [Label] = []
        for value in values {
            // By bytes: a mark behind the colon would make one character of both.
            let colon = value.utf8.firstIndex(of: UInt8(ascii: ":")) ?? value.endIndex
            let (name, text) = (String(value[..<colon]), String(value[colon...].utf8.dropFirst()))
            if colon < value.endIndex, NameRules.isLabel(name), !value.containsNUL, let text,
                !text.isLonger(than: limits.labelValueCharactersMax)
            {
                labels.append(Label(name: name, value: text))
            } else {
                reader.issues.add(
                    .parameter("label"), "A label is wanted as name:value. " + NameRules.labelRule)
            }
        }
        return labels
    }

    private static func isCursor(_ text: String) -> Bool {
        (1...200).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                NameRules.isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
            }
    }
}
