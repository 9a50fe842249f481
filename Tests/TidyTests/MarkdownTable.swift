/// The first table below a heading of a Markdown page.
enum MarkdownTable {
    /// The first and the last cell of each row, without the head.
    static func rows(below heading: String, in page: String) -> [(first: String, last: String)] {
        guard let section = page.split(separator: heading, maxSplits: 1).dropFirst().first else {
            return []
        }
        let lines = section.split(separator: "\n").drop { !$0.hasPrefix("|") }
            .prefix { $0.hasPrefix("|") }
        return lines.dropFirst(2).compactMap { line in
            let cells = line.split(separator: "|").map {
                String($0.trimmingPrefix(" ").reversed().drop { $0 == " " }.reversed())
            }
            guard let first = cells.first, let last = cells.last, cells.count > 1 else {
                return nil
            }
            return (first, last)
        }
    }

    /// What a cell has between backticks.
    static func quoted(_ cell: String) -> [String] {
        cell.matches(of: /`([^`]+)`/).map { String($0.output.1) }
    }
}
