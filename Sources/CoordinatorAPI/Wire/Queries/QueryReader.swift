import HTTPServer

/// The name and value of a query's parameter, percent-decoded.
typealias QueryItem = (name: String, value: String)

extension ServerRequest {
    /// The parameters of the query, in order.
    ///
    /// - Throws: ``Problem`` of type `malformed-http` if the percent-encoding is broken.
    func queryItems() throws(Problem) -> [QueryItem] {
        guard let query else { return [] }
        var items: [QueryItem] = []
        for part in query.split(separator: "&") {
            let sides = part.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentEncoding.decode(sides[0]),
                let value = PercentEncoding.decode(sides.count > 1 ? sides[1] : "")
            else { throw Problem(.malformedHTTP, "The query's percent-encoding is broken.") }
            items.append((name, value))
        }
        return items
    }
}

/// Reads the parameters of a query strictly, each at most once unless it is repeatable.
struct QueryReader {
    private let items: [QueryItem]
    /// What is wrong.
    let issues = RequestIssues()

    /// Takes the decoded parameters in the order of the query.
    ///
    /// - Parameters:
    ///   - items: The parameters that were given.
    ///   - known: The names that may be given.
    ///   - repeatable: The names that may be given more than once.
    init(_ items: [QueryItem], known: [String], repeatable: [String] = []) {
        self.items = items
        var seen: Set<String> = []
        for (name, _) in items {
            if !known.contains(name) {
                let rule =
                    known.isEmpty
                    ? "this resource has none"
                    : "expected one of \(known.joined(separator: ", "))"
                issues.add(.parameter(name.shortened), "Unknown parameter; \(rule).")
            } else if !seen.insert(name).inserted, !repeatable.contains(name) {
                issues.add(.parameter(name), "Expected this parameter once, got it twice.")
            }
        }
    }

    /// All values of a parameter.
    func values(_ name: String) -> [String] {
        items.filter { $0.name == name }.map(\.value)
    }

    /// The value of a parameter, if it is there and valid.
    ///
    /// - Parameters:
    ///   - name: The parameter.
    ///   - expected: What `parse` expects, as in "Expected ...".
    ///   - parse: Returns `nil` for a value that is wrong.
    func value<Value>(
        _ name: String, expected: String, parse: (String) -> Value?
    ) -> Value? {
        guard let text = values(name).first else { return nil }
        if let value = parse(text) { return value }
        // A key is a secret: only its digest is kept, and no text repeats it.
        let got = name == "idempotencyKey" ? "" : ", got \"\(text.shortened)\""
        issues.add(.parameter(name), "Expected \(expected)\(got).")
        return nil
    }

    /// The value of a parameter that is an integer within bounds.
    func integer(_ name: String, in bounds: ClosedRange<Int>) -> Int? {
        value(name, expected: "an integer from \(bounds.lowerBound) to \(bounds.upperBound)") {
            unsignedInteger($0).flatMap { bounds.contains($0) ? $0 : nil }
        }
    }
}
