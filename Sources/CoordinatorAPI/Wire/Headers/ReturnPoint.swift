/// When the response to a transaction that commits is sent.
enum ReturnPoint: String {
    /// As soon as the decision to commit is durable.
    case decision
    /// When every branch is finished.
    case end

    /// Reads `return-at=decision` or `return-at=end` from the field `Prefer` (RFC 7240); nil if
    /// the caller prefers neither.
    ///
    /// The RFC demands to ignore preferences that are unknown or not understood. Of two
    /// preferences of one name the first counts.
    init?(prefer field: String?) {
        guard let field else { return nil }
        for part in fieldParts(field, separatedBy: UInt8(ascii: ",")) {
            let preference = fieldParts(part, separatedBy: UInt8(ascii: ";")).first ?? ""
            guard case ("return-at", let value?) = nameAndValue(preference) else { continue }
            if let point = ReturnPoint(rawValue: value) {
                self = point
                return
            }
        }
        return nil
    }
}
