/// PostgreSQL's text form of one-dimensional arrays.
///
/// Every flush of the state writer is made of these, so they are written as bytes, with no text of
/// their own for an element or an inner array.
enum ArrayLiteral {
    /// Writes an array; nil elements become NULL.
    static func write(_ elements: some Sequence<String?>) -> String {
        var bytes: [UInt8] = [UInt8(ascii: "{")]
        for element in elements {
            separate(&bytes)
            guard var element else {
                bytes.append(contentsOf: "NULL".utf8)
                continue
            }
            element.withUTF8 { append($0, to: &bytes) }
        }
        bytes.append(UInt8(ascii: "}"))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Writes an array of integers.
    static func write(_ elements: some Sequence<Int64>) -> String {
        var bytes: [UInt8] = [UInt8(ascii: "{")]
        for element in elements {
            separate(&bytes)
            append(element, to: &bytes)
        }
        bytes.append(UInt8(ascii: "}"))
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func separate(_ bytes: inout [UInt8]) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
    }

    private static func append(_ value: Int64, to bytes: inout [UInt8]) {
        var rest = value.magnitude
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        let start = bytes.count
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }

    private static func append(_ element: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
        if isPlain(element) { return bytes.append(contentsOf: element) }
        bytes.append(UInt8(ascii: "\""))
        var start = 0
        for index in element.indices {
            let byte = element[index]
            guard byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
            bytes.append(contentsOf: element[start..<index])
            bytes.append(UInt8(ascii: "\\"))
            start = index
        }
        bytes.append(contentsOf: element[start...])
        bytes.append(UInt8(ascii: "\""))
    }

    /// Digits, letters and the punctuation of our names need no quotes; NULL does, in any case.
    private static func isPlain(_ element: UnsafeBufferPointer<UInt8>) -> Bool {
        guard !element.isEmpty, !isNull(element) else { return false }
        return element.allSatisfy { byte in
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
        element.count == 4 && element[0] | 0x20 == UInt8(ascii: "n")
            && element[1] | 0x20 == UInt8(ascii: "u") && element[2] | 0x20 == UInt8(ascii: "l")
            && element[3] | 0x20 == UInt8(ascii: "l")
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
