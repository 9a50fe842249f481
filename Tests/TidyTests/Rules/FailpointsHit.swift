/// Every failpoint of the catalogue has crash cases, and every crash case a failpoint.
enum FailpointsHit {
    /// `catalogue` is the Swift file with the steps, `cases` the crash matrix's list of points.
    static func faults(catalogue: String, cases: String) -> [String] {
        let known = names(in: catalogue.matches(of: /case (\w+)$/.anchorsMatchLineEndings()))
        let steps = cases.split(separator: "STEPS = (").last?.split(separator: "\n)\n").first ?? ""
        let used = names(in: steps.matches(of: /"(\w+)[."]/))
        guard known.count > 2 else { return ["the failpoints cannot be read"] }
        return known.filter { !used.contains($0) && $0 != "before" && $0 != "after" }
            .map { "the failpoint \($0) has no crash case" }
            + used.filter { !known.contains($0) }.map { "there is no failpoint \($0)" }
    }

    private static func names(in matches: [Regex<(Substring, Substring)>.Match]) -> [String] {
        Set(matches.map { String($0.output.1) }).sorted()
    }
}
