/// `docs/PROTOCOL.md#terms` and the code name the same ideas.
enum Terms {
    /// `page` is PROTOCOL.md; `sources` are all of Sources.
    static func faults(page: String, sources: [SourceFile]) -> [String] {
        let rows = MarkdownTable.rows(below: "## Terms", in: page)
        let types = sources.filter { $0.target == "CommitProtocol" }.flatMap(packageTypes)
        guard rows.count > 20, !types.isEmpty else { return ["the table of terms cannot be read"] }

        let inCode = Set(rows.flatMap { MarkdownTable.quoted($0.last) })
        let existing = Set(
            sources.flatMap { file in
                Words(SwiftCode(file.text).bytes).words.map(\.text)
                    + Words(file.text).words.map(\.text).filter { $0.contains("_") }
            })
        let terms = rows.map(\.first)
        return types.filter { !inCode.contains($0) }.map { "\($0) is in no row of Terms" }
            + inCode.subtracting(existing).sorted().map { "Terms names \($0), which no code has" }
            + terms.filter { term in terms.count { $0 == term } > 1 }.map {
                "Terms has \($0) twice"
            }
    }

    /// The package types at the top of a file.
    private static func packageTypes(_ file: SourceFile) -> [String] {
        SwiftCode(file.text).text
            .matches(
                of: /^package (?:struct|enum|class|protocol|actor) (\w+)/.anchorsMatchLineEndings()
            )
            .map { String($0.output.1) }
    }
}
