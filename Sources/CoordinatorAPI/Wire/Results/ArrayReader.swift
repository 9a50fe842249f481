/// Reads an array in PostgreSQL's text format, token by token.
///
/// It skips the bounds that an array has if it does not begin at 1 (`[0:1]={7,8}`): JSON arrays have
/// none.
struct ArrayReader {
    enum Token: Hashable {
        case open
        case close
        case null
        case element([UInt8])
    }

    private var rest: ArraySlice<UInt8>
    private let delimiter: UInt8

    /// Takes the bytes of an array and the delimiter between its elements.
    private init(_ bytes: some Collection<UInt8>, delimiter: UInt8) {
        rest = Array(bytes)[...]
        self.delimiter = delimiter
        if rest.first == UInt8(ascii: "["), let end = rest.firstIndex(of: UInt8(ascii: "=")) {
            rest = rest[rest.index(after: end)...]
        }
    }

    /// Returns all tokens, or nil if the bytes are no array.
    static func tokens(_ bytes: some Collection<UInt8>, delimiter: UInt8) -> [Token]? {
        var reader = ArrayReader(bytes, delimiter: delimiter)
        var tokens: [Token] = []
        var depth = 0
        repeat {
            guard let token = reader.next() else { return nil }
            tokens.append(token)
            switch token {
            case .open: depth += 1
            case .close: depth -= 1
            case .null, .element: break
            }
        } while depth > 0
        return reader.rest.isEmpty && tokens.count > 1 ? tokens : nil
    }

    private mutating func next() -> Token? {
        if rest.first == delimiter { rest.removeFirst() }
        switch rest.first {
        case nil:
            return nil
        case UInt8(ascii: "{"):
            rest.removeFirst()
            return .open
        case UInt8(ascii: "}"):
            rest.removeFirst()
            return .close
        case UInt8(ascii: "\""):
            return quoted().map(Token.element)
        default:
            let plain = rest.prefix { $0 != delimiter && $0 != UInt8(ascii: "}") }
            rest = rest[plain.endIndex...]
            return plain.elementsEqual("NULL".utf8) ? .null : .element(Array(plain))
        }
    }

    private mutating func quoted() -> [UInt8]? {
        var bytes: [UInt8] = []
        rest.removeFirst()
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return bytes
            case UInt8(ascii: "\\"):
                guard let escaped = rest.popFirst() else { return nil }
                bytes.append(escaped)
            default: bytes.append(byte)
            }
        }
        return nil
    }
}
