import TransactionEngine

extension JSONValue {
    /// The value as a parameter in PostgreSQL's text format, unless the server takes it for an
    /// array; `nil` is NULL.
    ///
    /// A number keeps the text it was written with, a boolean is `true` or `false`, and an array
    /// or object is compact JSON.
    var parameterText: String? {
        switch self {
        case .null: nil
        case .bool(let value): value ? "true" : "false"
        case .number(let number): number
        case .string(let string): string
        case .array, .object: compactJSON
        }
    }

    fileprivate var compactJSON: String {
        var writer = JSONWriter(capacity: 64)
        writer.value(self)
        return writer.text
    }
}

/// A JSON array for a parameter that the server takes for an array.
///
/// An array inside it is a further dimension; but in an array of `json` or `jsonb` every element is
/// a document, whatever it is.
struct ArrayParameter: ListParameter {
    let elements: [JSONValue]

    func text(as array: ArrayElements) -> String {
        var bytes: [UInt8] = []
        Self.append(elements, as: array, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func append(
        _ elements: [JSONValue], as array: ArrayElements, to bytes: inout [UInt8]
    ) {
        bytes.append(UInt8(ascii: "{"))
        for (index, element) in elements.enumerated() {
            if index > 0 { bytes.append(array.delimiter) }
            switch element {
            case .null:
                bytes.append(contentsOf: "NULL".utf8)
            case .array(let inner) where !array.areDocuments:
                append(inner, as: array, to: &bytes)
            case .array, .object, .bool, .number, .string:
                let text = array.areDocuments ? element.compactJSON : element.parameterText ?? ""
                appendQuoted(text, to: &bytes)
            }
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// Inside quotes only a quote and a backslash have a meaning, whatever the type's delimiter.
    private static func appendQuoted(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                bytes.append(UInt8(ascii: "\\"))
            }
            bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

extension ArrayElements {
    /// Whether the elements are of type `json` or `jsonb`.
    fileprivate var areDocuments: Bool { typeOID == 114 || typeOID == 3802 }
}
