/// An entity tag: the version of a resource's state.
struct EntityTag: Hashable, Sendable {
    /// The tag as `ETag` sends it, in double quotes.
    let text: String

    /// Makes a strong tag.
    ///
    /// - Parameter opaque: Printable ASCII without double quotes.
    init(_ opaque: String) {
        precondition(
            opaque.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\"") },
            "an entity tag is made by the service itself")
        text = "\"" + opaque + "\""
    }

    /// The tag of a version as a media type shows it: a strong tag belongs to one of them.
    init(_ version: String, of type: MediaType) {
        self.init(type == .json ? version : version + "-\(type)")
    }

    private static func tags(_ field: String) -> [Substring] {
        fieldParts(field, separatedBy: UInt8(ascii: ","), hasEscapes: false)
    }

    /// Whether `If-None-Match` names this version, so that the answer is 304.
    ///
    /// It compares weakly, as RFC 9110 demands: `W/"7"` and `"7"` match.
    func matches(ifNoneMatch field: String?) -> Bool {
        Self.tags(field ?? "").contains { $0 == "*" || $0 == text || $0 == "W/" + text }
    }

    /// Whether `If-Match` names this version; it compares strongly, as RFC 9110 demands.
    func matches(ifMatch field: String) -> Bool {
        Self.tags(field).contains { $0 == "*" || $0 == text }
    }

    /// Whether a condition is well-formed by RFC 9110: `*`, or entity tags in double quotes.
    static func isCondition(_ field: String) -> Bool {
        let parts = tags(field)
        if parts == ["*"] { return true }
        return !parts.isEmpty
            && parts.allSatisfy { part in
                let tag = part.hasPrefix("W/") ? part.dropFirst(2) : part
                return tag.count >= 2 && tag.hasPrefix("\"") && tag.hasSuffix("\"")
                    && tag.dropFirst().dropLast().utf8.allSatisfy {
                        (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\"")
                    }
            }
    }

    /// Refuses an `If-Match` that is no condition.
    ///
    /// - Throws: ``Problem`` of type `invalid-request`.
    static func requireCondition(_ field: String) throws(Problem) {
        guard !isCondition(field) else { return }
        throw Problem([
            RequestIssue(.header("If-Match"), "Expected entity tags in double quotes, or *.")
        ])
    }

    /// The problem of an `If-Match` that does not hold.
    ///
    /// A weak tag fails the condition even if nothing has changed.
    static func preconditionFailed(_ condition: String) -> Problem {
        let tags = tags(condition)
        let weak = tags.count { $0.hasPrefix("W/") }
        let change =
            "The transaction's state is no longer the one that this entity tag names. GET it again."
        let rule =
            "If-Match never matches a weak entity tag: send the tag exactly as ETag has it, without W/."
        return Problem(
            .preconditionFailed,
            weak == tags.count ? rule : weak == 0 ? change : "\(change) \(rule)")
    }

    /// Whether `If-Match` demands only that the resource exists.
    static func matchesAnything(_ field: String) -> Bool {
        tags(field).contains("*")
    }
}
