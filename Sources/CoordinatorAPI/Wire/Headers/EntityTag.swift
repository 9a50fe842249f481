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
        text = "\"\(opaque)\""
    }

    /// The tag of a version as it is shown in a media type: a strong tag belongs to one of them.
    init(_ version: String, of type: MediaType) {
        self.init(type == .json ? version : "\(version)-\(type)")
    }

    private static func tags(_ field: String) -> [Substring] {
        fieldParts(field, separatedBy: UInt8(ascii: ","), hasEscapes: false)
    }

    /// Whether `If-None-Match` names this version, so that 304 is the answer.
    ///
    /// It compares weakly, as RFC 9110 demands: `W/"7"` and `"7"` match.
    func matches(ifNoneMatch field: String?) -> Bool {
        Self.tags(field ?? "").contains { part in
            part == "*" || part == text || part == "W/" + text
        }
    }

    /// Whether `If-Match` names this version; it compares strongly, as RFC 9110 demands.
    func matches(ifMatch field: String) -> Bool {
        Self.tags(field).contains { $0 == "*" || $0 == text }
    }

    /// Whether a condition is written as RFC 9110 has it: `*`, or entity tags in double quotes.
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
            RequestIssue(.header("If-Match"), "Entity tags in double quotes, or *, are wanted.")
        ])
    }

    /// The problem of an `If-Match` that does not hold.
    ///
    /// A weak tag fails the condition though nothing may have changed.
    static func preconditionFailed(_ condition: String) -> Problem {
        let tags = tags(condition)
        let weak = tags.count { $0.hasPrefix("W/") }
        let rule =
            "If-Match compares strongly, so a weak tag never matches: give it as in ETag, without W/."
        let change = "It is no longer as the entity tag has it."
        return Problem(
            .preconditionFailed,
            weak == tags.count ? rule : weak == 0 ? change : "\(change) \(rule)")
    }

    /// Whether `If-Match` asks for nothing but that there is something.
    static func matchesAnything(_ field: String) -> Bool {
        tags(field).contains("*")
    }
}
