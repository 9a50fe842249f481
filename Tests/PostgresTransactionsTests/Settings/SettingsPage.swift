import Foundation

/// `docs/SETTINGS.md`, as far as a test reads it.
struct SettingsPage {
    private let lines: [Substring]

    init() throws {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(
            contentsOf: root.appending(path: "docs/SETTINGS.md"), encoding: .utf8)
        lines = text.split(separator: "\n")
    }

    /// Every setting that some table begins a row with.
    var names: Set<String> {
        Set(lines.filter { $0.hasPrefix("|") }.flatMap { Self.quoted(Self.cells($0)[0]) })
    }

    /// For each setting that is set, its value by the table's column; nil for a dash.
    var values: [String: [String: String?]] {
        let rows = lines.drop { $0 != "## Set" }.dropFirst().prefix { !$0.hasPrefix("#") }
            .filter { $0.hasPrefix("|") }.map(Self.cells)
        guard let head = rows.first else { return [:] }
        var values: [String: [String: String?]] = [:]
        for row in rows.dropFirst(2) where row.count == head.count {
            let cells = zip(head, row).dropFirst().dropLast()
            for name in Self.quoted(row[0]) {
                values[name] = Dictionary(
                    uniqueKeysWithValues: cells.map { ($0, Self.quoted($1).first) })
            }
        }
        return values
    }

    private static func cells(_ line: Substring) -> [String] {
        line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    }

    private static func quoted(_ cell: String) -> [String] {
        cell.matches(of: /`([^`]+)`/).map { String($0.output.1) }
    }
}
