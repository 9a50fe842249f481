import HTTPServer

/// A media type that answers can have.
enum MediaType: String, CaseIterable, Hashable, Sendable {
    /// JSON, the default.
    case json = "application/json"
    /// One line a transaction or a wait, for shells.
    case text = "text/plain"
    /// The contract's source.
    case yaml = "application/yaml"

    /// The types that transactions and waits are offered in.
    static let ofLists: [MediaType] = [.json, .text]
}

/// The choice of media types by `Content-Type` and `Accept`.
enum ContentNegotiation {
    /// Refuses a body that is not declared as JSON in UTF-8, or has a content coding such as gzip.
    ///
    /// - Throws: ``Problem`` of type `unsupported-media-type`, with `Accept` for the type, and with
    ///   `Accept-Encoding` for the coding alone: clients tell the two apart by it (RFC 9110, 12.5.3).
    static func requireJSON(
        contentType: String?, contentEncoding: String?
    ) throws(Problem) {
        try requireJSON(contentType)
        guard let contentEncoding else { return }
        let codings = fieldParts(contentEncoding, separatedBy: UInt8(ascii: ","))
        for coding in codings where coding.lowercased() != "identity" {
            let name = String(coding).shortened
            var problem = Problem(
                .unsupportedMediaType,
                "Expected a body without a content coding, got \(name). Send it uncompressed.")
            problem.headerFields[.acceptEncoding] = "identity"
            throw problem
        }
    }

    private static func requireJSON(_ field: String?) throws(Problem) {
        // Nearly every client sends just this.
        if field == MediaType.json.rawValue { return }
        let parts = fieldParts(field ?? "", separatedBy: UInt8(ascii: ";"))
        let isJSON =
            parts.first?.lowercased() == MediaType.json.rawValue
            && parts.dropFirst().allSatisfy { part in
                let (name, value) = nameAndValue(part)
                return name == "charset" && value?.lowercased() == "utf-8"
            }
        guard !isJSON else { return }
        let found = field.map { "\"\($0.shortened)\"" } ?? "none"
        var problem = Problem(
            .unsupportedMediaType,
            "Expected the Content-Type application/json, at most with charset=utf-8, got \(found).")
        problem.headerFields[.accept] = MediaType.json.rawValue
        throw problem
    }

    /// Chooses the offered media type that `Accept` gives the highest weight.
    ///
    /// Among equals the order of the offer decides. An absent or empty field accepts everything,
    /// and a range that is not understood accepts nothing.
    ///
    /// - Parameter offered: At least one type.
    /// - Throws: ``Problem`` of type `not-acceptable`.
    static func choose(
        accept field: String?, from offered: [MediaType]
    ) throws(Problem) -> MediaType {
        // Nearly every client sends nothing or this: there is nothing to compare.
        guard let field, field != "*/*" else { return offered[0] }
        let ranges = fieldParts(field, separatedBy: UInt8(ascii: ",")).map(MediaRange.init)
        if ranges.isEmpty, let first = offered.first { return first }
        var best: (type: MediaType, quality: Int)?
        for type in offered {
            let matching = ranges.filter { $0.precision(for: type) > 0 }
            let range = matching.max { $0.precision(for: type) < $1.precision(for: type) }
            let quality = range?.quality ?? 0
            if quality > best?.quality ?? 0 { best = (type, quality) }
        }
        if let best { return best.type }
        let names = offered.map(\.rawValue).joined(separator: " or ")
        throw Problem(.notAcceptable, "Expected Accept to allow \(names).")
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

    /// How precisely the range names the type: 0 not at all, 3 exactly.
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
