import FoundationEssentials
import PostgresClient

/// An array of PostgreSQL's: `WHERE id = ANY ($1)`.
///
/// An array of arrays is one of several dimensions, as PostgreSQL has them: all its rows are of one
/// length. An element that is NULL fits none.
extension Array: SQLColumn, SQLValue where Element: SQLValue {
    /// The elements in braces.
    public var sqlText: String {
        let texts = map(\.sqlText)
        return Self.isNested ? "{\(texts.joined(separator: ","))}" : ArrayLiteral.write(texts)
    }

    /// Reads elements in braces; or a list of JSON, if the elements are `Decodable`.
    public init?(sqlText: String) {
        guard let texts = ArrayLiteral.read(sqlText) else {
            guard let type = Self.self as? any Decodable.Type,
                let list = try? JSONDecoder().decode(type, from: Data(sqlText.utf8)) as? Self
            else { return nil }
            self = list
            return
        }
        // Else an array of texts would take the rows of one of two dimensions for texts in braces.
        guard texts.isEmpty || sqlText.utf8.starts(with: "{{".utf8) == Self.isNested else {
            return nil
        }
        self = []
        reserveCapacity(texts.count)
        for text in texts {
            guard let text, let element = Element(sqlText: text) else { return nil }
            append(element)
        }
    }

    /// Whether the elements are arrays, which stand in an array without quotes.
    private static var isNested: Bool { Element.self is any ArrayOfValues.Type }
}

/// Tells arrays from other values.
private protocol ArrayOfValues {}

extension Array: ArrayOfValues where Element: SQLValue {}
