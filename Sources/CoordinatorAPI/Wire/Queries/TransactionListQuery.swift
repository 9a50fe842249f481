import CommitProtocol
import HTTPServer
import TransactionEngine

/// The query of `GET /v1/transactions`: which transactions, and which page of them.
///
/// All filters must match; of several states one must.
enum TransactionListQuery {
    /// Reads the parameters of a query.
    ///
    /// - Throws: ``Problem`` of type `invalid-request` with everything that is wrong.
    static func decode(_ items: [QueryItem]) throws(Problem) -> RecordFilter {
        let reader = QueryReader(
            items,
            known: [
                "state", "queue", "participant", "label", "acceptedBefore", "idempotencyKey",
                "order", "cursor", "limit",
            ],
            repeatable: ["state", "label"])
        var filter = RecordFilter()
        filter.states = states(reader)
        filter.queue = name("queue", reader)
        filter.participant = reader.value(
            "participant", expected: "a participant's name such as users"
        ) {
            NameRules.isParticipant($0) ? $0 : nil
        }
        filter.labels = labels(reader)
        filter.acceptedBefore = reader.value(
            "acceptedBefore", expected: "a time by RFC 3339 such as 2026-03-01T12:00:00Z"
        ) {
            UTCTime(parsing: $0)?.microseconds
        }
        filter.keyDigest = reader.value(
            "idempotencyKey",
            expected: "1 to 255 printable ASCII characters, in double quotes as in the header, or "
                + "bare if there is no quote or backslash among them"
        ) {
            IdempotencyKey.read(query: $0)?.digest
        }
        filter.order = name("order", reader) ?? filter.order
        filter.cursor = reader.value("cursor", expected: "the nextCursor of an earlier page") {
            unsignedInteger($0).flatMap { $0 > 0 ? Int64($0) : nil }
        }
        filter.limit = reader.integer("limit", in: 1...200) ?? filter.limit
        try reader.issues.throwIfAny()
        return filter
    }

    /// The target of the page that starts at `cursor`, under the filters of another page's query.
    static func target(_ query: String?, at cursor: String) -> String {
        let filters = (query ?? "").split(separator: "&").filter { part in
            PercentEncoding.decode(part.prefix { $0 != "=" }) != "cursor"
        }
        // The target stands between angle brackets in `Link`, so it must not hold any itself.
        let kept = filters.map { $0.replacing("<", with: "%3C").replacing(">", with: "%3E") }
        return "/v1/transactions?" + (kept + ["cursor=\(cursor)"]).joined(separator: "&")
    }

    /// The value of a parameter that is one of the names of an enumeration.
    private static func name<Value: RawRepresentable<String> & CaseIterable>(
        _ parameter: String, _ reader: QueryReader
    ) -> Value? {
        let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
        return reader.value(parameter, expected: "one of \(known)") { Value(rawValue: $0) }
    }

    private static func states(_ reader: QueryReader) -> [TransactionState] {
        let values = reader.values("state")
        let known = TransactionState.allCases.map(\.rawValue)
        for value in values where !known.contains(value) {
            reader.issues.add(
                .parameter("state"),
                "Expected one of \(known.joined(separator: ", ")), got \"\(value.shortened)\".")
        }
        return TransactionState.allCases.filter { values.contains($0.rawValue) }
    }

    private static func labels(_ reader: QueryReader) -> [TransactionRequest.Label] {
        let values = reader.values("label")
        let limits = WireLimits()
        if values.count > limits.labelsMax {
            reader.issues.add(
                .parameter("label"),
                "Expected at most \(limits.labelsMax) labels, got \(values.count).")
            return []
        }
        return values.compactMap { value in
            // By bytes: a combining mark after the colon would make one character of both.
            let colon = value.utf8.firstIndex(of: UInt8(ascii: ":")) ?? value.endIndex
            let (name, text) = (String(value[..<colon]), String(value[colon...].utf8.dropFirst()))
            if colon < value.endIndex, NameRules.isLabel(name), !value.containsNUL, let text,
                !text.isLonger(than: limits.labelValueCharactersMax)
            {
                return TransactionRequest.Label(name: name, value: text)
            }
            reader.issues.add(
                .parameter("label"),
                "Expected a label as name:value, got \"\(value.shortened)\". "
                    + NameRules.labelRule)
            return nil
        }
    }
}
