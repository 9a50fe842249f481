/// PostgreSQL's text form of arrays.
///
/// Statements for many rows at once are made of these, so they are written as bytes, with no text of
/// their own for an element.
package enum ArrayLiteral {
    private static let opening = UInt8(ascii: "{")
    private static let closing = UInt8(ascii: "}")
    private static let comma = UInt8(ascii: ",")
    private static let quote = UInt8(ascii: "\"")
    private static let escape = UInt8(ascii: "\\")

    /// Writes an array; nil elements become NULL.
    package static func write(_ elements: [String?]) -> String {
        var bytes: [UInt8] = [opening]
        for element in elements {
            separate(&bytes)
            guard var element else {
                bytes.append(contentsOf: "NULL".utf8)
                continue
            }
            element.withUTF8 { unsafe append($0, to: &bytes) }
        }
        bytes.append(closing)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Writes an array of integers.
    package static func write(_ elements: [Int64]) -> String {
        var bytes: [UInt8] = [opening]
        for element in elements {
            separate(&bytes)
            bytes.append(decimal: element)
        }
        bytes.append(closing)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends an array; `write` appends the text of an item, or returns false for NULL.
    static func append<Item>(
        _ items: [Item], to bytes: inout [UInt8], _ write: (Item, inout [UInt8]) -> Bool
    ) {
        bytes.append(opening)
        var isFirst = true
        for item in items {
            if !isFirst { bytes.append(comma) }
            isFirst = false
            bytes.append(quote)
            let start = bytes.count
            if write(item, &bytes) {
                escapeText(in: &bytes, from: start)
                bytes.append(quote)
            } else {
                bytes.replaceSubrange((start - 1)..., with: "NULL".utf8)
            }
        }
        bytes.append(closing)
    }

    /// Escapes what was written from there on; names and numbers have nothing to escape.
    private static func escapeText(in bytes: inout [UInt8], from start: Int) {
        guard bytes[start...].contains(where: { $0 == quote || $0 == escape }) else { return }
        let text = Array(bytes[start...])
        bytes.removeSubrange(start...)
        for byte in text {
            if byte == quote || byte == escape { bytes.append(escape) }
            bytes.append(byte)
        }
    }

    private static func separate(_ bytes: inout [UInt8]) {
        if bytes.count > 1 { bytes.append(comma) }
    }

    private static func append(_ element: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
        if unsafe isPlain(element) { return unsafe bytes.append(contentsOf: element) }
        bytes.append(quote)
        var start = 0
        for index in element.indices {
            let byte = unsafe element[index]
            guard byte == quote || byte == escape else { continue }
            unsafe bytes.append(contentsOf: element[start..<index])
            bytes.append(escape)
            start = index
        }
        unsafe bytes.append(contentsOf: element[start...])
        bytes.append(quote)
    }

    /// Digits, letters and the punctuation of our names need no quotes; NULL does, in any case.
    private static func isPlain(_ element: UnsafeBufferPointer<UInt8>) -> Bool {
        guard !element.isEmpty, unsafe !isNull(element) else { return false }
        return unsafe element.allSatisfy { byte in
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

    private static func isNull(_ element: UnsafeBufferPointer<UInt8>) -> Bool {
        let name = "null".utf8
        return unsafe element.count == name.count
            && zip(element, name).allSatisfy { $0 | 0x20 == $1 }
    }

    /// Reads an array as PostgreSQL prints it; nil if it is none.
    ///
    /// An array in the array is an element like any other, and keeps its braces.
    package static func read(_ text: String) -> [String?]? {
        var rest = Array(text.utf8)[...]
        guard rest.popFirst() == opening, rest.popLast() == closing else { return nil }
        var elements: [String?] = []
        while !rest.isEmpty {
            switch rest.first {
            case quote:
                guard let element = quoted(&rest) else { return nil }
                elements.append(element)
            case opening:
                guard let element = nested(&rest) else { return nil }
                elements.append(element)
            default:
                let plain = rest.prefix { $0 != comma }
                rest = rest.dropFirst(plain.count)
                guard !plain.isEmpty, !plain.contains(where: [opening, closing, quote].contains)
                else { return nil }
                let element = String(decoding: plain, as: UTF8.self)
                elements.append(element == "NULL" ? nil : element)
            }
            if rest.isEmpty { break }
            guard rest.popFirst() == comma, !rest.isEmpty else { return nil }
        }
        return elements
    }

    /// Takes a string out, to the quote that closes it; nil if none does.
    private static func quoted(_ rest: inout ArraySlice<UInt8>) -> String? {
        var bytes: [UInt8] = []
        rest.removeFirst()
        while let byte = rest.popFirst() {
            if byte == quote { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte == escape ? rest.popFirst() ?? byte : byte)
        }
        return nil
    }

    /// Takes an array out, to the brace that closes it; nil if none does.
    private static func nested(_ rest: inout ArraySlice<UInt8>) -> String? {
        var depth = 0
        var isQuoted = false
        var whole: [UInt8] = []
        repeat {
            guard let byte = rest.popFirst() else { return nil }
            whole.append(byte)
            switch byte {
            case escape: rest.popFirst().map { whole.append($0) }
            case quote: isQuoted.toggle()
            case opening where !isQuoted: depth += 1
            case closing where !isQuoted: depth -= 1
            default: break
            }
        } while depth > 0
        return String(decoding: whole, as: UTF8.self)
    }
}
