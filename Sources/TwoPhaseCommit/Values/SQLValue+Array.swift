import FoundationEssentials
import PostgresClient

/// A PostgreSQL array, as in `WHERE id = ANY ($1)`.
///
/// An array of arrays is a multidimensional array, whose rows have the same length. A NULL element
/// does not fit.
extension Array: SQLColumn, SQLValue where Element: SQLValue {
    /// The elements in braces.
    public var sqlText: String {
        let texts = map(\.sqlText)
        return Self.isNested ? "{\(texts.joined(separator: ","))}" : ArrayLiteral.write(texts)
    }

    /// Reads elements in braces, or a JSON list if the elements are `Decodable`.
    public init?(sqlText: String) {
        guard let texts = ArrayLiteral.read(sqlText) else {
            guard let type = Self.self as? any Decodable.Type,
                let list = try? JSONDecoder().decode(type, from: Data(sqlText.utf8)) as? Self
            else { return nil }
            self = list
            return
        }
        // Otherwise an array of texts would read the rows of a matrix as texts in braces.
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

    /// Whether the elements are arrays, which PostgreSQL does not quote within an array.
    private static var isNested: Bool { Element.self is any ArrayOfValues.Type }
}

/// Marks arrays among the values.
private protocol ArrayOfValues {}

extension Array: ArrayOfValues where Element: SQLValue {}
