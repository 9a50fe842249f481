import TransactionEngine

/// Writes the rows of one result as JSON objects.
///
/// Names are escaped once a result and not once a row. For each row: ``beginRow(_:)``, then one
/// ``cell(_:_:)`` a column in order, then ``endRow(_:)``.
struct ResultRowWriter: Sendable {
    /// How deep a value of type json may nest to be passed on as JSON.
    static let jsonDepthMax = 256

    private let forms: [ResultColumn.Form]
    /// What stands between the elements of a column's arrays; nil for other columns.
    private let delimiters: [UInt8?]
    /// `"name"` of each column, escaped.
    private let names: [[UInt8]]
    private var column = 0

    /// Prepares to write rows of those columns.
    init(_ columns: [ResultColumn]) {
        forms = columns.map(\.form)
        delimiters = columns.map { $0.elements?.delimiter }
        names = ResultColumn.memberNames(columns).map { name in
            var writer = JSONWriter(capacity: name.utf8.count + 2)
            writer.string(name)
            return writer.bytes
        }
    }

    /// Starts a row.
    mutating func beginRow(_ writer: inout JSONWriter) {
        column = 0
        writer.beginObject()
    }

    /// Writes the value of the next column.
    ///
    /// - Parameters:
    ///   - value: The value in PostgreSQL's text format, or `nil` for NULL.
    ///   - writer: Where to.
    mutating func cell(_ value: (some Collection<UInt8>)?, _ writer: inout JSONWriter) {
        writer.name(quoted: names[column])
        let (form, delimiter) = (forms[column], delimiters[column])
        column += 1
        guard let value else { return writer.null() }
        guard let delimiter else { return Self.write(value, form, &writer) }
        guard let tokens = ArrayReader.tokens(value, delimiter: delimiter) else {
            return writer.string(bytes: value)
        }
        for token in tokens {
            switch token {
            case .open: writer.beginArray()
            case .close: writer.endArray()
            case .null: writer.null()
            case .element(let element): Self.write(element, form, &writer)
            }
        }
    }

    private static func write(
        _ value: some Collection<UInt8>, _ form: ResultColumn.Form, _ writer: inout JSONWriter
    ) {
        switch form {
        case .number where isNumber(value):
            writer.raw(value)
        case .boolean:
            writer.bool(value.first == UInt8(ascii: "t"))
        case .json where isJSON(Array(value)):
            // The type json keeps its author's line breaks. They stand between tokens only, and an
            // answer is kept as one line a branch.
            writer.raw(value.map { $0 == UInt8(ascii: "\n") ? UInt8(ascii: " ") : $0 })
        case .number, .json, .string:
            writer.string(bytes: value)
        }
    }

    /// Ends a row.
    mutating func endRow(_ writer: inout JSONWriter) {
        precondition(column == forms.count, "a row has a cell for each column")
        writer.endObject()
    }

    /// Tells the numbers of PostgreSQL's text format, which are all numbers of JSON, from `NaN`,
    /// `Infinity` and `-Infinity`, which are none.
    private static func isNumber(_ value: some Collection<UInt8>) -> Bool {
        value.first { $0 != UInt8(ascii: "-") }.map(NameRules.isDigit) ?? false
    }

    /// Checks what a server says is JSON before it becomes part of an answer.
    ///
    /// The type json allows what a strict reader does not: deep nesting, half surrogate pairs. Such
    /// a value is passed on as a string, so that the answer as a whole stays JSON for everyone.
    private static func isJSON(_ value: [UInt8]) -> Bool {
        (try? JSONReader.read(value, depthMax: jsonDepthMax, duplicateNames: .kept)) != nil
    }
}
