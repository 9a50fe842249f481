/// Rows in columns that are as wide as what is in them, and that fit a terminal.
struct TextTable {
    /// A column's head, and what happens to it where there is not enough room.
    struct Column {
        let title: String
        /// How narrow it may get; nil if it is never cut.
        var narrowest: Int?
        var isNumber = false

        init(_ title: String, narrowest: Int? = nil, isNumber: Bool = false) {
            self.title = title
            self.narrowest = narrowest
            self.isNumber = isNumber
        }
    }

    struct Cell: ExpressibleByStringLiteral {
        let text: String
        var emphasis = Emphasis.none

        init(_ text: String, _ emphasis: Emphasis = .none) {
            self.text = text
            self.emphasis = emphasis
        }

        init(stringLiteral value: String) { self.init(value) }
    }

    let columns: [Column]
    private(set) var rows: [[Cell]] = []

    init(_ columns: [Column]) { self.columns = columns }

    /// Adds a row; a value of nil shows as `-`.
    mutating func add(_ cells: [Cell?]) {
        precondition(cells.count == columns.count, "a cell for each column")
        rows.append(cells.map { $0 ?? "-" })
    }

    /// The lines, the head first.
    ///
    /// With a width, the columns that may be narrower give way, the widest first; a text that is cut
    /// ends in `…`. Without one nothing is cut.
    func lines(width: Int?, hasColors: Bool = false) -> [String] {
        let texts = rows.map { $0.map { Terminal.printable($0.text) } }
        var widths = columns.indices.map { column in
            texts.map { $0[column].columnCount }
                .reduce(columns[column].title.columnCount, max)
        }
        if let width { shrink(&widths, to: width - 2 * (columns.count - 1)) }
        let head = line(columns.map(\.title), widths) { text, _ in
            Emphasis.faint.applied(to: text, if: hasColors)
        }
        return [head]
            + zip(rows, texts).map { row, texts in
                line(texts, widths) { text, column in
                    row[column].emphasis.applied(to: text, if: hasColors)
                }
            }
    }

    private func shrink(_ widths: inout [Int], to available: Int) {
        var excess = widths.reduce(0, +) - available
        while excess > 0 {
            let candidates = columns.indices.filter { column in
                columns[column].narrowest.map { widths[column] > $0 } ?? false
            }
            guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { return }
            widths[widest] -= 1
            excess -= 1
        }
    }

    private func line(
        _ texts: [String], _ widths: [Int], painting paint: (String, Int) -> String
    ) -> String {
        let cells = columns.indices.map { column in
            let text = texts[column].cut(to: widths[column])
            let padding = String(repeating: " ", count: max(0, widths[column] - text.columnCount))
            let painted = paint(text, column)
            if columns[column].isNumber { return padding + painted }
            return column == columns.count - 1 ? painted : painted + padding
        }
        var line = cells.joined(separator: "  ")
        while line.hasSuffix(" ") { line.removeLast() }
        return line
    }
}

extension String {
    /// How many columns of a terminal the text takes.
    var columnCount: Int { reduce(0) { $0 + $1.columnCount } }

    /// The text, or its beginning and `…`, in at most so many columns.
    func cut(to limit: Int) -> String {
        guard columnCount > limit else { return self }
        var result = ""
        var used = 1
        for character in self {
            used += character.columnCount
            if used > limit { break }
            result.append(character)
        }
        return limit > 0 ? result + "…" : ""
    }
}

extension Character {
    /// 2 for what East Asian scripts and emoji take, 1 for all else.
    fileprivate var columnCount: Int {
        guard let scalar = unicodeScalars.first?.value, scalar >= 0x1100 else { return 1 }
        switch scalar {
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
            0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            return 2
        default: return 1
        }
    }
}
