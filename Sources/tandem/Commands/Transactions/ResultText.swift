import CoordinatorAPI

/// The results of a transaction's statements as tables.
enum ResultText {
    static func lines(of transaction: JSONValue, on screen: Screen) -> [String] {
        if transaction["resultsOmitted"] == .bool(true) {
            return ["", "The results were too large to be stored."]
        }
        return (transaction["branches"]?.elements ?? []).flatMap { branch in
            (branch["results"]?.elements ?? []).enumerated().flatMap { number, result in
                lines(
                    of: result, on: screen,
                    title: "\(branch["participant"]?.string ?? "?"), statement \(number)")
            }
        }
    }

    private static func lines(
        of result: JSONValue, on screen: Screen, title: String
    ) -> [String] {
        let head = ["", "\(title): \(Terminal.printable(result["commandTag"]?.string ?? ""))"]
        let names = (result["columns"]?.elements ?? []).compactMap { $0["name"]?.string }
        guard !names.isEmpty else { return head }
        var table = TextTable(names.map { TextTable.Column($0, narrowest: 8) })
        for row in result["rows"]?.elements ?? [] {
            table.add(names.map { name in row[name]?.plain.map { .init($0) } })
        }
        return head + screen.lines(of: table)
    }
}
