import TransactionEngine

/// The value of a placeholder.
struct ParameterValue: Hashable, Sendable {
    private let value: JSONValue

    /// Takes a JSON value.
    init(_ value: JSONValue) {
        self.value = value
    }

    /// The value in PostgreSQL's text format, unless the server takes it for an array; `nil` is NULL.
    ///
    /// A number keeps the text it was written with, a boolean is `true` or `false`, and an array
    /// or object is compact JSON.
    var text: String? { Self.text(value) }

    /// The value as a list, if it is one.
    var list: (any ListParameter)? {
        if case .array(let elements) = value { ListValue(elements: elements) } else { nil }
    }

    fileprivate static func text(_ value: JSONValue) -> String? {
        switch value {
        case .null: nil
        case .bool(let value): value ? "true" : "false"
        case .number(let number): number
        case .string(let string): string
        case .array, .object: json(value)
        }
    }

    fileprivate static func json(_ value: JSONValue) -> String {
        var writer = JSONWriter(capacity: 64)
        writer.value(value)
        return writer.text
    }
}

/// An array of JSON for a parameter that is an array of PostgreSQL's.
///
/// An array in it is a dimension more; but of an array of `json` or `jsonb` every element is a document,
/// whatever it is.
private struct ListValue: ListParameter {
    let elements: [JSONValue]

    func text(as array: ArrayElements) -> String {
        var bytes: [UInt8] = []
        Self.write(elements, array, &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func write(
        _ elements: [JSONValue], _ array: ArrayElements, _ bytes: inout [UInt8]
    ) {
        bytes.append(UInt8(ascii: "{"))
        for (index, element) in elements.enumerated() {
            if index > 0 { bytes.append(array.delimiter) }
            switch element {
            case .null:
                bytes.append(contentsOf: "NULL".utf8)
            case .array(let inner) where !array.areDocuments:
                write(inner, array, &bytes)
            case .array, .object, .bool, .number, .string:
                let text =
                    array.areDocuments
                    ? ParameterValue.json(element) : ParameterValue.text(element) ?? ""
                writeQuoted(text, &bytes)
            }
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// In quotes nothing has a meaning but a quote and a backslash, whatever the type's delimiter is.
    private static func writeQuoted(_ text: String, _ bytes: inout [UInt8]) {
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
    var areDocuments: Bool { typeOID == 114 || typeOID == 3802 }
}
