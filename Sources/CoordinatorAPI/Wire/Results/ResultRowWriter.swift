import TransactionEngine

/// Writes the rows of one result as JSON objects.
///
/// It escapes names once per result and not once per row. For each row call ``beginRow(in:)``, then
/// ``cell(_:in:)`` for each column in order, then ``endRow(in:)``.
struct ResultRowWriter: Sendable {
    /// How deep a value of type json may nest to be passed on as JSON.
    static let jsonDepthMax = 256

    private let forms: [JSONForm]
    /// The delimiter between the elements of a column's arrays; nil for other columns.
    private let delimiters: [UInt8?]
    /// `"name"` of each column, escaped.
    private let names: [[UInt8]]
    private var column = 0

    /// Prepares to write rows of those columns.
    init(_ columns: [StatementResult.Column]) {
        forms = columns.map(\.form)
        delimiters = columns.map { $0.elements?.delimiter }
        names = Self.memberNames(columns).map { name in
            var writer = JSONWriter(capacity: name.utf8.count + 2)
            writer.string(name)
            return writer.bytes
        }
    }

    /// The member names of the rows' objects: each name once.
    ///
    /// A name that occurs again gets `_2`, `_3` and so on, and never one that another column has
    /// by itself.
    static func memberNames(_ columns: [StatementResult.Column]) -> [String] {
        let given = Set(columns.map { Array($0.name.utf8) })
        var used: Set<[UInt8]> = []
        // Remembers for each name where its search stopped. To start again for every column would
        // block the loop for a second when 1,600 columns have one name.
        var next: [[UInt8]: Int] = [:]
        return columns.map { column in
            let own = Array(column.name.utf8)
            if used.insert(own).inserted { return column.name }
            var number = next[own] ?? 2
            while true {
                let name = "\(column.name)_\(number)"
                let bytes = Array(name.utf8)
                number += 1
                if !given.contains(bytes), used.insert(bytes).inserted {
                    next[own] = number
                    return name
                }
            }
        }
    }

    /// Starts a row.
    mutating func beginRow(in writer: inout JSONWriter) {
        column = 0
        writer.beginObject()
    }

    /// Writes the value of the next column: its text in PostgreSQL's format, or `nil` for NULL.
    mutating func cell(_ value: (some Collection<UInt8>)?, in writer: inout JSONWriter) {
        writer.name(quoted: names[column])
        let (form, delimiter) = (forms[column], delimiters[column])
        column += 1
        guard let value else { return writer.null() }
        guard let delimiter else { return form.write(value, to: &writer) }
        guard let tokens = ArrayReader.tokens(value, delimiter: delimiter) else {
            return writer.string(bytes: value)
        }
        for token in tokens {
            switch token {
            case .open: writer.beginArray()
            case .close: writer.endArray()
            case .null: writer.null()
            case .element(let element): form.write(element, to: &writer)
            }
        }
    }

    /// Ends a row.
    mutating func endRow(in writer: inout JSONWriter) {
        precondition(column == forms.count, "a row has a cell for each column")
        writer.endObject()
    }
}

/// How values of a type appear in JSON.
private enum JSONForm: Sendable {
    /// As a number with the exact text, or as a string if JSON has no such number: `NaN`.
    case number
    /// As `true` or `false`.
    case boolean
    /// As the JSON that it is.
    case json
    /// As a string in PostgreSQL's text format.
    case string

    func write(_ value: some Collection<UInt8>, to writer: inout JSONWriter) {
        switch self {
        case .number where Self.isNumber(value):
            writer.raw(value)
        case .boolean:
            writer.bool(value.first == UInt8(ascii: "t"))
        case .json where Self.isJSON(Array(value)):
            // The type json keeps its author's line breaks. They stand between tokens only, and
            // stored results are one line per branch.
            writer.raw(value.map { $0 == UInt8(ascii: "\n") ? UInt8(ascii: " ") : $0 })
        case .number, .json, .string:
            writer.string(bytes: value)
        }
    }

    /// Whether this is a number and not `NaN`, `Infinity` or `-Infinity`: all other numbers of
    /// PostgreSQL's text format are numbers of JSON.
    private static func isNumber(_ value: some Collection<UInt8>) -> Bool {
        value.first { $0 != UInt8(ascii: "-") }.map(NameRules.isDigit) ?? false
    }

    /// Checks what a server says is JSON before it becomes part of an answer.
    ///
    /// The type json allows what a strict reader does not: deep nesting, half surrogate pairs. Such
    /// a value is passed on as a string, so that the answer as a whole stays JSON for everyone.
    private static func isJSON(_ value: [UInt8]) -> Bool {
        (try? JSONReader.read(
            value, depthMax: ResultRowWriter.jsonDepthMax, duplicateNames: .kept)) != nil
    }
}

extension StatementResult.Column {
    /// How values of the column appear in JSON; of an array, how its elements do.
    fileprivate var form: JSONForm {
        switch elements?.typeOID ?? typeOID {
        case 20, 21, 23, 26, 700, 701, 1700: .number
        case 16: .boolean
        case 114, 3802: .json
        default: .string
        }
    }
}
