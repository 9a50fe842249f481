/// The parameters of a query, each read once and strictly.
struct QueryReader {
    private let items: [(name: String, value: String)]
    /// What was found wrong.
    var issues = RequestIssues()

    /// Takes the decoded parameters in the order of the query.
    ///
    /// - Parameters:
    ///   - items: Names and values, percent-decoded.
    ///   - known: The names that there are.
    ///   - repeatable: Those of them that may occur more than once.
    init(
        _ items: [(name: String, value: String)], known: [String], repeatable: [String] = []
    ) {
        self.items = items
        var seen: Set<String> = []
        for (name, _) in items {
            if !known.contains(name) {
                let names = known.isEmpty ? "none" : known.joined(separator: ", ")
                issues.add(
                    .parameter(name.shortened), "There is no such parameter; known are \(names).")
            } else if !seen.insert(name).inserted, !repeatable.contains(name) {
                issues.add(.parameter(name), "The parameter must not occur twice.")
            }
        }
    }

    /// All values of a parameter.
    func values(_ name: String) -> [String] {
        items.filter { $0.name == name }.map(\.value)
    }

    /// The value of a parameter, if it is there and follows its rule.
    ///
    /// - Parameters:
    ///   - name: The parameter.
    ///   - rule: What is right: a sentence for people.
    ///   - parse: Gives `nil` for a value that is wrong.
    mutating func value<Value>(
        _ name: String, _ rule: String, parse: (String) -> Value?
    ) -> Value? {
        guard let text = values(name).first else { return nil }
        if let value = parse(text) { return value }
        issues.add(.parameter(name), rule)
        return nil
    }

    /// The value of a parameter that is an integer within bounds.
    mutating func integer(_ name: String, in bounds: ClosedRange<Int>) -> Int? {
        value(name, "An integer from \(bounds.lowerBound) to \(bounds.upperBound) is wanted.") {
            unsignedInteger($0).flatMap { bounds.contains($0) ? $0 : nil }
        }
    }
}
