import TransactionEngine

/// The body of `POST /v1/transactions/{id}/resolution`.
enum ResolutionBody {
    private static let members = ["branch", "outcome", "actor", "reason", "force"]
    static let actorCharactersMax = 200
    static let reasonCharactersMax = 2000

    /// Reads the body of a request.
    ///
    /// - Throws: ``Problem`` of type `malformed-json` or, with all faults in it, `invalid-request`.
    static func decode(_ body: [UInt8]) throws(Problem) -> Resolution {
        let value: JSONValue
        do {
            value = try JSONReader.read(body)
        } catch {
            throw Problem(error)
        }
        var issues = RequestIssues()
        guard let object = RequestObject(value, at: .root, known: members, &issues) else {
            throw Problem(issues.list)
        }
        if object.optional("branch") == nil { _ = object.required("branch", &issues) }
        let branch = object.integer("branch", in: 0...999, &issues)
        let action = text(object, "outcome", 20, &issues).flatMap { text in
            Resolution.Action(rawValue: text)
        }
        if action == nil, let (_, pointer) = object.optional("outcome") {
            issues.add(pointer, "committed or rolledBack is wanted here.")
        }
        let actor = text(object, "actor", actorCharactersMax, &issues)
        let reason = text(object, "reason", reasonCharactersMax, &issues)
        var isForced = false
        if let (value, pointer) = object.optional("force") {
            if case .bool(let flag) = value {
                isForced = flag
            } else {
                issues.add(pointer, "true or false is wanted here.")
            }
        }
        try issues.throwIfAny()
        guard let branch, let action, let actor, let reason else {
            throw Problem(.invalidRequest, "The body is incomplete.")
        }
        return Resolution(
            branch: branch, action: action, actor: actor, reason: reason, isForced: isForced)
    }

    private static func text(
        _ object: RequestObject, _ name: String, _ limit: Int, _ issues: inout RequestIssues
    ) -> String? {
        guard let (value, pointer) = object.required(name, &issues) else { return nil }
        guard let text = value.string, (1...limit).contains(text.unicodeScalars.count),
            !text.unicodeScalars.contains("\0")
        else {
            issues.add(
                pointer, "A string of 1 to \(limit) characters, without NUL, is wanted here.")
            return nil
        }
        return text
    }
}
