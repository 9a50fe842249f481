/// PostgreSQL's text form of one-dimensional arrays.
enum ArrayLiteral {
    /// Writes an array; nil elements become NULL.
    static func write(_ elements: some Sequence<String?>) -> String {
        var text = "{"
        for element in elements {
            if text.utf8.count > 1 { text.append(",") }
            guard let element else {
                text.append("NULL")
                continue
            }
            if isPlain(element) {
                text.append(element)
            } else {
                text.append("\"")
                for scalar in element.unicodeScalars {
                    if scalar == "\"" || scalar == "\\" { text.append("\\") }
                    text.unicodeScalars.append(scalar)
                }
                text.append("\"")
            }
        }
        text.append("}")
        return text
    }

    /// Digits, letters and the punctuation of our names need no quotes; NULL does.
    private static func isPlain(_ element: String) -> Bool {
        guard !element.isEmpty, element.uppercased() != "NULL" else { return false }
        return element.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "_"),
                UInt8(ascii: ":"), UInt8(ascii: "."), UInt8(ascii: "/"):
                true
            default:
                false
            }
        }
    }

    /// Reads an array as PostgreSQL prints it; nil if it is not one of a single dimension.
    static func read(_ text: String) -> [String?]? {
        var bytes = text.utf8.makeIterator()
        guard bytes.next() == UInt8(ascii: "{") else { return nil }
        var elements: [String?] = []
        var current: [UInt8] = []
        var wasQuoted = false
        var isQuoted = false
        var hasAny = false
        while let byte = bytes.next() {
            if isQuoted {
                if byte == UInt8(ascii: "\\") {
                    guard let escaped = bytes.next() else { return nil }
                    current.append(escaped)
                } else if byte == UInt8(ascii: "\"") {
                    isQuoted = false
                } else {
                    current.append(byte)
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""):
                isQuoted = true
                wasQuoted = true
                hasAny = true
            case UInt8(ascii: ","), UInt8(ascii: "}"):
                if hasAny {
                    let element = String(decoding: current, as: UTF8.self)
                    elements.append(!wasQuoted && element == "NULL" ? nil : element)
                } else if byte == UInt8(ascii: ",") {
                    return nil
                }
                current.removeAll(keepingCapacity: true)
                wasQuoted = false
                hasAny = false
                if byte == UInt8(ascii: "}") { return bytes.next() == nil ? elements : nil }
            case UInt8(ascii: "{"):
                return nil
            default:
                current.append(byte)
                hasAny = true
            }
        }
        return nil
    }
}
