/// The table of the proof names a test for every invariant and every fact, and each of them exists.
enum ProofNames {
    static let invariants = ["AC1", "AC2", "AC3", "AC4", "AC5"] + (1...9).map { "I\($0)" }

    /// `reliability` and `protocol` are the two pages; `swift` and `python` all sources of tests.
    static func faults(
        reliability: String, protocol specification: String, swift: [SourceFile], python: String
    ) -> [String] {
        let rows = MarkdownTable.rows(below: "## Which test holds what", in: reliability)
        let facts = MarkdownTable.rows(below: "## Facts about PostgreSQL", in: specification)
            .map(\.first)
        guard rows.count > invariants.count, !facts.isEmpty else {
            return ["the table of the proof cannot be read"]
        }
        let subjects = rows.map(\.first)
        var faults = invariants.filter { name in
            !subjects.contains { $0.split(separator: /[ ,]/).map(String.init).contains(name) }
        }.map { "\($0) has no test" }
        faults += facts.filter { !subjects.contains($0) }.map { "no test for: \($0)" }
        for row in rows {
            let names = MarkdownTable.quoted(row.last)
            if names.isEmpty { faults.append("no test is named for: \(row.first)") }
            faults += names.filter { !exists($0, swift: swift, python: python) }.map {
                "there is no test \($0)"
            }
        }
        return faults
    }

    /// `Suite.function` or `Suite` of Swift; a function or class of the harness, or a quoted name
    /// there.
    private static func exists(_ name: String, swift: [SourceFile], python: String) -> Bool {
        let parts = name.split(separator: ".").map(String.init)
        if parts.count == 2 {
            return swift.contains {
                $0.text.contains("struct \(parts[0]) ") && $0.text.contains("func \(parts[1])(")
            }
        }
        return swift.contains { $0.text.contains("struct \(name) ") }
            || ["def \(name)(", "class \(name)", "\"\(name)\""].contains { python.contains($0) }
    }
}
