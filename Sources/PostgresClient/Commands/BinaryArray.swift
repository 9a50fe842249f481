/// PostgreSQL's binary form of an array of one dimension, written element by element.
///
/// A statement for many rows takes one for each of its columns. No element has a text of its own in
/// it, nothing is escaped, and the server reads it faster than text. An array that is emptied keeps
/// its memory for the next elements.
package struct BinaryArray: Hashable, Sendable {
    /// A type of elements, by its OID, which is the same in every server.
    package enum Element: UInt32, Sendable {
        case boolean = 16
        case bytea = 17
        case bigint = 20
        case text = 25
        case timestamptz = 1184
    }

    /// The type of the elements.
    package let element: Element
    /// How many elements there are.
    package private(set) var count: Int32 = 0
    /// The array as the server reads it.
    private(set) var bytes: [UInt8] = []
    /// Where the header has the number of elements.
    private static let countOffset = 12

    /// Makes an empty array.
    package init(of element: Element) {
        self.element = element
        removeAll()
    }

    /// How much memory an empty array keeps: that of a usual flush, and not of the largest one.
    private static let keptBytesMax = 1 << 20

    /// Empties it.
    package mutating func removeAll() {
        count = 0
        bytes.removeAll(keepingCapacity: bytes.capacity <= Self.keptBytesMax)
        bytes.append(bigEndian: Int32(1))  // One dimension,
        bytes.append(bigEndian: Int32(1))  // which may hold NULL.
        bytes.append(bigEndian: element.rawValue)
        bytes.append(bigEndian: count)
        bytes.append(bigEndian: Int32(1))  // The first element's number.
    }

    /// Appends a NULL.
    package mutating func appendNull() { begin(byteCount: -1) }

    /// Appends a truth value.
    package mutating func append(_ value: Bool) {
        begin(byteCount: 1)
        bytes.append(value ? 1 : 0)
    }

    /// Appends an integer.
    package mutating func append(_ value: Int64) {
        begin(byteCount: 8)
        bytes.append(bigEndian: value)
    }

    /// Appends a time, given in microseconds since 1970; PostgreSQL counts them from 2000 on.
    package mutating func append(microseconds: Int64) {
        append(microseconds - 946_684_800_000_000)
    }

    /// Appends a text, or NULL.
    package mutating func append(_ text: String?) {
        guard var text else { return appendNull() }
        text.withUTF8 { utf8 in
            begin(byteCount: Int32(utf8.count))
            unsafe bytes.append(contentsOf: utf8)
        }
    }

    /// Appends bytes, or a text that is there as UTF-8, or NULL.
    package mutating func append(_ value: [UInt8]?) {
        guard let value else { return appendNull() }
        begin(byteCount: Int32(value.count))
        bytes.append(contentsOf: value)
    }

    /// Appends a text that is an array literal, of one element for each item.
    ///
    /// - Parameter write: Appends the text of an item, or returns false for NULL.
    package mutating func append<Item>(
        literalOf items: [Item], _ write: (Item, inout [UInt8]) -> Bool
    ) {
        begin(byteCount: 0)
        let start = bytes.count
        ArrayLiteral.append(items, to: &bytes, write)
        bytes.put(bigEndian: Int32(bytes.count - start), at: start - 4)
    }

    private mutating func begin(byteCount: Int32) {
        count += 1
        bytes.put(bigEndian: count, at: Self.countOffset)
        bytes.append(bigEndian: byteCount)
    }
}

extension [UInt8] {
    /// Appends a number in decimal digits.
    package mutating func append(decimal value: some BinaryInteger) {
        var rest = value.magnitude
        if value < 0 { append(UInt8(ascii: "-")) }
        let start = count
        repeat {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit))
            rest = quotient
        } while rest > 0
        self[start...].reverse()
    }

    fileprivate mutating func append(bigEndian value: some FixedWidthInteger) {
        unsafe Swift.withUnsafeBytes(of: value.bigEndian) { unsafe append(contentsOf: $0) }
    }

    fileprivate mutating func put(bigEndian value: Int32, at offset: Int) {
        unsafe Swift.withUnsafeBytes(of: value.bigEndian) { bytes in
            for index in bytes.indices { unsafe self[offset + index] = bytes[index] }
        }
    }
}

/// Hands arrays to C: pointers to their bytes, in one temporary piece of memory, with their lengths, and
/// the format of each, which is binary.
///
/// The pointers must not be used after the body returns.
func withParameters<Result>(
    of arrays: [BinaryArray],
    _ body: (UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<CInt>?, UnsafePointer<CInt>?)
        -> Result
) -> Result {
    let byteCount = arrays.reduce(0) { $0 + $1.bytes.count }
    let lengths = arrays.map { CInt($0.bytes.count) }
    let formats = [CInt](repeating: 1, count: arrays.count)
    return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: byteCount) { memory in
        unsafe withUnsafeTemporaryAllocation(
            of: UnsafePointer<CChar>?.self, capacity: arrays.count
        ) { pointers in
            var used = 0
            for (index, array) in arrays.enumerated() {
                let target = unsafe UnsafeMutableRawBufferPointer(
                    rebasing: UnsafeMutableRawBufferPointer(memory)[used...])
                unsafe target.copyBytes(from: array.bytes)
                unsafe pointers.initializeElement(
                    at: index, to: memory.baseAddress.map { unsafe UnsafePointer($0 + used) })
                used += array.bytes.count
            }
            return unsafe body(UnsafePointer(pointers.baseAddress), lengths, formats)
        }
    }
}
