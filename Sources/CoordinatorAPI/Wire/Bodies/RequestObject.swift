import TransactionEngine

/// An object of a request's body, read member by member.
///
/// Every reading method adds what is wrong to the issues and returns nil, so that one pass over the
/// body finds all faults.
struct RequestObject {
    /// The value of a member, and where it stands.
    typealias Member = (value: JSONValue, pointer: JSONPointer)

    private let pointer: JSONPointer
    private let members: [JSONMember]
    private let issues: RequestIssues

    /// Takes a value as an object that has no members but the known ones.
    ///
    /// - Returns: `nil` if the value is no object.
    init?(
        _ value: JSONValue, at pointer: JSONPointer, known: [String], issues: RequestIssues
    ) {
        guard case .object(let members) = value else {
            issues.add(pointer, "Expected an object, got \(value.described).")
            return nil
        }
        self.pointer = pointer
        self.members = members
        self.issues = issues
        for name in members.map(\.name) where !known.contains(name) {
            issues.add(
                pointer.member(name.shortened),
                "Unknown member \"\(name.shortened)\"; expected one of "
                    + known.joined(separator: ", ") + ".")
        }
    }

    /// Reads the whole of a request's body, whose top level is an object.
    ///
    /// - Throws: ``Problem`` of type `malformed-json`, or `invalid-request` if it is no object.
    static func read(
        _ body: [UInt8], depthMax: Int, known: [String], issues: RequestIssues
    ) throws(Problem) -> RequestObject {
        let value: JSONValue
        do {
            value = try JSONReader.read(body, depthMax: depthMax)
        } catch {
            throw Problem(error)
        }
        guard let object = RequestObject(value, at: .root, known: known, issues: issues) else {
            throw Problem(issues.list)
        }
        return object
    }

    /// The member of that name, with its place.
    func optional(_ name: String) -> Member? {
        members.first { $0.name == name }.map { ($0.value, pointer.member(name)) }
    }

    /// The member of that name, which must be there.
    func required(_ name: String) -> Member? {
        if let member = optional(name) { return member }
        issues.add(pointer, "The member \"\(name)\" is missing.")
        return nil
    }

    /// The elements of an array with a bounded number of them; `limit` names the upper bound.
    func array(
        _ member: Member?, count bounds: ClosedRange<Int>, limit: String
    ) -> [(value: JSONValue, pointer: JSONPointer)] {
        guard let (value, pointer) = member else { return [] }
        guard case .array(let elements) = value else {
            issues.add(pointer, "Expected an array, got \(value.described).")
            return []
        }
        if elements.count < bounds.lowerBound {
            issues.add(pointer, "Expected at least 1 element, got an empty array.")
        }
        if elements.count > bounds.upperBound {
            issues.add(
                pointer,
                "Expected at most \(bounds.upperBound) elements (limit \(limit)), got "
                    + "\(elements.count).")
            return []
        }
        return elements.enumerated().map { ($1, pointer.element($0)) }
    }

    /// A boolean, or `false` if the member is not there or wrong.
    func flag(_ name: String) -> Bool {
        guard let (value, pointer) = optional(name) else { return false }
        if case .bool(let flag) = value { return flag }
        issues.add(pointer, "Expected a boolean, got \(value.described).")
        return false
    }

    /// An integer within bounds, or `nil` if it is not there or wrong.
    func integer(_ member: Member?, in bounds: ClosedRange<Int>) -> Int? {
        guard let (value, pointer) = member else { return nil }
        if let integer = value.integer, bounds.contains(integer) { return integer }
        issues.add(
            pointer,
            "Expected an integer from \(bounds.lowerBound) to \(bounds.upperBound), got "
                + "\(value.described).")
        return nil
    }

    /// One of the words that an enumeration consists of, or `nil` if it is not there or wrong.
    func word<Word: RawRepresentable<String> & CaseIterable>(_ member: Member?) -> Word? {
        guard let (value, pointer) = member else { return nil }
        if let word = value.string.flatMap(Word.init(rawValue:)) { return word }
        let words = Word.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        let found = value.string.map { "\"\($0.shortened)\"" } ?? value.described
        issues.add(pointer, "Expected one of \(words), got \(found).")
        return nil
    }

    /// A string that must be there, of 1 character up to a limit, without NUL.
    func text(_ name: String, charactersMax: Int) -> String? {
        guard let (value, pointer) = required(name) else { return nil }
        if let text = value.string, !text.isEmpty, !text.containsNUL,
            !text.isLonger(than: charactersMax)
        {
            return text
        }
        issues.add(
            pointer,
            "Expected a string of 1 to \(charactersMax) characters without NUL, got "
                + (value.string.map { "\($0.count) characters" } ?? value.described) + ".")
        return nil
    }
}
