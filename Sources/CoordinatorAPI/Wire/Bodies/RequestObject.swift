/// An object of a request's body, read member by member.
///
/// Every reading method notes what is wrong and answers with `nil`, so that one walk over the body
/// finds all faults.
struct RequestObject {
    /// The place of the object itself.
    let pointer: JSONPointer
    private let members: [JSONMember]

    /// Takes a value as an object that has no other members than those.
    ///
    /// - Returns: `nil` if the value is no object.
    init?(
        _ value: JSONValue, at pointer: JSONPointer, known: [String], _ issues: inout RequestIssues
    ) {
        guard case .object(let members) = value else {
            issues.add(pointer, "An object is wanted here, not \(value.kind).")
            return nil
        }
        self.pointer = pointer
        self.members = members
        for member in members where !known.contains(member.name) {
            issues.add(
                pointer.member(member.name.shortened),
                "There is no member \"\(member.name.shortened)\" here; known are "
                    + known.joined(separator: ", ") + ".")
        }
    }

    /// The member of that name, with its place.
    func optional(_ name: String) -> (value: JSONValue, pointer: JSONPointer)? {
        for member in members where member.name == name {
            return (member.value, pointer.member(name))
        }
        return nil
    }

    /// The member of that name, which must be there.
    func required(
        _ name: String, _ issues: inout RequestIssues
    ) -> (value: JSONValue, pointer: JSONPointer)? {
        if let member = optional(name) { return member }
        issues.add(pointer, "The member \"\(name)\" is missing.")
        return nil
    }

    /// The elements of an array that must be there, with a bounded number of them.
    func requiredArray(
        _ name: String, count bounds: ClosedRange<Int>, limit: String,
        _ issues: inout RequestIssues
    ) -> (elements: [JSONValue], pointer: JSONPointer)? {
        guard let (value, pointer) = required(name, &issues) else { return nil }
        return Self.array(value, at: pointer, count: bounds, limit: limit, &issues)
    }

    /// The elements of an array, which is empty if the member is not there.
    func optionalArray(
        _ name: String, count bounds: ClosedRange<Int>, limit: String,
        _ issues: inout RequestIssues
    ) -> (elements: [JSONValue], pointer: JSONPointer)? {
        guard let (value, pointer) = optional(name) else { return ([], self.pointer) }
        return Self.array(value, at: pointer, count: bounds, limit: limit, &issues)
    }

    private static func array(
        _ value: JSONValue, at pointer: JSONPointer, count bounds: ClosedRange<Int>,
        limit: String, _ issues: inout RequestIssues
    ) -> (elements: [JSONValue], pointer: JSONPointer)? {
        guard case .array(let elements) = value else {
            issues.add(pointer, "An array is wanted here, not \(value.kind).")
            return nil
        }
        if elements.count < bounds.lowerBound {
            issues.add(pointer, "The array must not be empty.")
        }
        if elements.count > bounds.upperBound {
            issues.add(
                pointer,
                "There are \(elements.count) elements; the limit \(limit) is \(bounds.upperBound).")
            return nil
        }
        return (elements, pointer)
    }

    /// A boolean, or `false` if the member is not there or wrong.
    func flag(_ name: String, _ issues: inout RequestIssues) -> Bool {
        guard let (value, pointer) = optional(name) else { return false }
        if case .bool(let flag) = value { return flag }
        issues.add(pointer, "A boolean is wanted here, not \(value.kind).")
        return false
    }

    /// An integer within bounds, or `nil` if the member is not there or wrong.
    func integer(
        _ name: String, in bounds: ClosedRange<Int>, _ issues: inout RequestIssues
    ) -> Int? {
        guard let (value, pointer) = optional(name) else { return nil }
        if let integer = value.integer, bounds.contains(integer) { return integer }
        issues.add(
            pointer,
            "An integer from \(bounds.lowerBound) to \(bounds.upperBound) is wanted here.")
        return nil
    }
}
