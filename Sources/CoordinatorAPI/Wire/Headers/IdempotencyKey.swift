import Crypto
import RawStructuredFieldValues

/// The content of an `Idempotency-Key` field: the caller's name for one piece of work.
struct IdempotencyKey: Hashable, Sendable {
    /// The field's name.
    static let fieldName = "Idempotency-Key"
    /// The longest content, in characters.
    static let charactersMax = 255

    /// The content, without quotes: printable ASCII, 1 to 255 characters.
    let text: String

    /// Reads a field's value: a string as structured fields (RFC 9651) write it, in double quotes.
    ///
    /// A bare word would be a token, which is another value than the string of the same letters;
    /// reading both as one would let two clients meet in one key unawares.
    ///
    /// - Returns: `nil` if there is no such field.
    /// - Throws: ``Problem`` of type `idempotency-key-invalid`.
    static func read(_ field: String?) throws(Problem) -> IdempotencyKey? {
        guard let field else { return nil }
        var parser = StructuredFieldValueParser(Array(field.utf8))
        guard let item = try? parser.parseItemFieldValue() else {
            throw invalid("It must be one string in double quotes, for example \"order-4711\".")
        }
        guard case .string(let text) = item.rfc9651BareItem else {
            throw invalid("It must be a string in double quotes, for example \"order-4711\".")
        }
        guard item.rfc9651Parameters.isEmpty else {
            throw invalid("Nothing may follow the string.")
        }
        return try IdempotencyKey(content: text)
    }

    /// Reads a key in a query: as the field has it, in double quotes, or its bare content.
    ///
    /// A key that holds a quote or a backslash has to be in quotes: half of a quoted key is refused, as
    /// it would otherwise be read as a key that nobody has used.
    ///
    /// - Returns: `nil` for what is neither.
    static func read(query text: String) -> IdempotencyKey? {
        let isBare = !text.utf8.contains { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }
        return isBare ? try? IdempotencyKey(content: text) : try? read(text)
    }

    /// What is stored of the key, and compared.
    var digest: [UInt8] {
        Array(SHA256.hash(data: Array(text.utf8)))
    }

    /// Takes the content as it is, without quotes.
    ///
    /// - Throws: ``Problem`` of type `idempotency-key-invalid`.
    private init(content text: String) throws(Problem) {
        guard (1...Self.charactersMax).contains(text.utf8.count) else {
            throw Self.invalid("It must have 1 to \(Self.charactersMax) characters.")
        }
        guard text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw Self.invalid("It must consist of printable ASCII characters.")
        }
        self.text = text
    }

    private static func invalid(_ rule: String) -> Problem {
        Problem(.idempotencyKeyInvalid, "The Idempotency-Key is not well-formed. " + rule)
    }
}
