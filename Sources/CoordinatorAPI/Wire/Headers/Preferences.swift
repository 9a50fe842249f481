/// What a caller prefers, by the field `Prefer` of RFC 7240.
///
/// Preferences are wishes: one that is unknown or not understood is passed over, as the RFC
/// demands, and what was honoured is told in `Preference-Applied`.
struct Preferences: Hashable, Sendable {
    /// The longest wait that is honoured.
    static let waitSecondsMax = 60

    /// `respond-async`: an answer 202 at once is welcome.
    var respondsAsynchronously = false
    /// `return-at=decision` or `return-at=end`: when a transaction that commits is answered.
    var returnPoint: ReturnPoint?
    /// `wait=N`: seconds to wait for the end, at most ``waitSecondsMax``.
    var waitSeconds: Int?

    /// When a transaction that commits is answered.
    enum ReturnPoint: String {
        /// As soon as the decision to commit is durable.
        case decision
        /// When every branch has ended.
        case end
    }

    /// Reads the value of the field; of two preferences of one name the first counts.
    init(_ field: String?) {
        for part in fieldParts(field ?? "", separatedBy: UInt8(ascii: ",")) {
            guard let preference = fieldParts(part, separatedBy: UInt8(ascii: ";")).first
            else { continue }
            let (name, value) = nameAndValue(preference)
            if name == "respond-async", value ?? "" == "" {
                respondsAsynchronously = true
            } else if name == "wait", waitSeconds == nil, let value,
                let seconds = unsignedInteger(value)
            {
                waitSeconds = min(seconds, Self.waitSecondsMax)
            } else if name == "return-at", returnPoint == nil, let value {
                returnPoint = ReturnPoint(rawValue: value)
            }
        }
    }

    /// The value of `Preference-Applied` if all of it was honoured; `nil` if nothing was preferred.
    var applied: String? {
        var parts: [String] = []
        if respondsAsynchronously { parts.append("respond-async") }
        if let returnPoint { parts.append("return-at=\(returnPoint)") }
        if let waitSeconds { parts.append("wait=\(waitSeconds)") }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }
}

/// The value of a text that consists of 1 to 18 digits and nothing else.
func unsignedInteger(_ text: String) -> Int? {
    guard text.utf8.count <= 18, text.utf8.allSatisfy(NameRules.isDigit) else { return nil }
    return Int(text)
}
