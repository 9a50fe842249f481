import HTTPTypes

/// A media type that answers can have.
enum MediaType: String, CaseIterable, Hashable, Sendable {
    /// JSON, the default.
    case json = "application/json"
    /// One line a transaction, for shells.
    case text = "text/plain"
    /// The contract as it is written.
    case yaml = "application/yaml"

    /// What transactions are shown in.
    static let ofTransactions: [MediaType] = [.json, .text]
}

/// The choice of media types by `Content-Type` and `Accept`.
enum ContentNegotiation {
    /// Refuses a body that is not declared as JSON in UTF-8, or is coded: compressed, for example.
    ///
    /// - Throws: ``Problem`` of type `unsupported-media-type`, with `Accept` for the type, and with
    ///   `Accept-Encoding` for the coding alone: clients tell the two apart by it (RFC 9110, 12.5.3).
    static func requireJSON(_ fields: HTTPFields) throws(Problem) {
        try requireJSON(contentType: fields[.contentType])
        let codings = fieldParts(
            fields[.contentEncoding] ?? "", separatedBy: UInt8(ascii: ","))
        for coding in codings where coding.lowercased() != "identity" {
            let name = String(coding).shortened
            var problem = Problem(
                .unsupportedMediaType,
                "The body must be sent without a content coding, and not as \(name).")
            problem.headerFields[.acceptEncoding] = "identity"
            throw problem
        }
    }

    private static func requireJSON(contentType field: String?) throws(Problem) {
        let rule = "The body must be sent with \"Content-Type: application/json\"."
        func refusal(_ detail: String) -> Problem {
            var problem = Problem(.unsupportedMediaType, detail)
            problem.headerFields[.accept] = MediaType.json.rawValue
            return problem
        }
        guard let field else { throw refusal("The request has no Content-Type. " + rule) }
        let parts = fieldParts(field, separatedBy: UInt8(ascii: ";"))
        guard parts.first?.lowercased() == MediaType.json.rawValue else { throw refusal(rule) }
        for part in parts.dropFirst() {
            let (name, value) = nameAndValue(part)
            guard name == "charset", value?.lowercased() == "utf-8" else {
                throw refusal(rule + " The only parameter allowed is charset=utf-8.")
            }
        }
    }

    /// Chooses among the media types on offer the one that `Accept` likes best.
    ///
    /// Among equals the order of the offer decides. An absent or empty field accepts everything,
    /// and a range that is not understood accepts nothing.
    ///
    /// - Throws: ``Problem`` of type `not-acceptable`.
    static func choose(
        accept field: String?, from offered: [MediaType]
    ) throws(Problem) -> MediaType {
        // What nearly everybody sends: there is nothing to compare.
        if field == "*/*", let first = offered.first { return first }
        let ranges = fieldParts(field ?? "", separatedBy: UInt8(ascii: ",")).map(MediaRange.init)
        if ranges.isEmpty, let first = offered.first { return first }
        var best: (type: MediaType, quality: Int)?
        for type in offered {
            let matching = ranges.filter { $0.precision(for: type) > 0 }
            let range = matching.max { $0.precision(for: type) < $1.precision(for: type) }
            let quality = range?.quality ?? 0
            if quality > best?.quality ?? 0 { best = (type, quality) }
        }
        if let best { return best.type }
        let names = offered.map(\.rawValue).joined(separator: ", ")
        throw Problem(.notAcceptable, "This resource offers only \(names).")
    }
}

/// One element of `Accept`.
private struct MediaRange {
    let name: String
    /// The weight in thousandths.
    var quality = 1000

    init(_ part: Substring) {
        let parts = fieldParts(part, separatedBy: UInt8(ascii: ";"))
        name = parts.first?.lowercased() ?? ""
        for part in parts.dropFirst() {
            let (name, value) = nameAndValue(part)
            if name == "q" { quality = Self.thousandths(value ?? "") }
        }
    }

    /// How closely the range names the type: 0 not at all, 3 exactly.
    func precision(for type: MediaType) -> Int {
        if name == type.rawValue { return 3 }
        if name == "*/*" { return 1 }
        let group = type.rawValue.prefix { $0 != "/" }
        return name == group + "/*" ? 2 : 0
    }

    /// A weight as RFC 9110 writes it, `0`, `0.5` or `1.000`; anything else weighs nothing.
    private static func thousandths(_ text: String) -> Int {
        let digits = text.split(separator: ".", omittingEmptySubsequences: false)
        guard let whole = digits.first.flatMap({ unsignedInteger(String($0)) }), digits.count <= 2
        else { return 0 }
        let fraction = digits.count == 2 ? String(digits[1]) : ""
        guard fraction.utf8.count <= 3, fraction.utf8.allSatisfy(NameRules.isDigit)
        else { return 0 }
        let padded = fraction + String(repeating: "0", count: 3 - fraction.utf8.count)
        return min(1000, whole * 1000 + (Int(padded) ?? 0))
    }
}
