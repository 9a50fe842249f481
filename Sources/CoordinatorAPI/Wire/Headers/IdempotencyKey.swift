import Crypto
import RawStructuredFieldValues

/// The content of an `Idempotency-Key` field: the caller's name for one piece of work.
struct IdempotencyKey: Hashable, Sendable {
    /// The content, without quotes: printable ASCII, 1 to 255 characters.
    let text: String

    /// Reads a field's value: a string as structured fields (RFC 9651) write it, in double quotes.
    ///
    /// A bare word would be a token, which is another value than the string of the same letters. To
    /// read both as one would let two clients share a key without knowing it.
    ///
    /// - Returns: `nil` if there is no such field.
    /// - Throws: ``Problem`` of type `idempotency-key-invalid`.
    static func read(_ field: String?) throws(Problem) -> IdempotencyKey? {
        guard let field else { return nil }
        var parser = StructuredFieldValueParser(Array(field.utf8))
        guard let item = try? parser.parseItemFieldValue(),
            case .string(let text) = item.rfc9651BareItem, item.rfc9651Parameters.isEmpty
        else {
            throw Problem(
                .idempotencyKeyInvalid,
                "Expected one string in double quotes and nothing else, for example "
                    + "\"order-4711\".")
        }
        return try IdempotencyKey(content: text)
    }

    /// Reads a key in a query: in double quotes as in the field, or its bare content.
    ///
    /// A key that holds a quote or a backslash must be in quotes. Half of a quoted key is refused;
    /// otherwise it would be read as another key, which no request has used.
    ///
    /// - Returns: `nil` for any other text.
    static func read(query text: String) -> IdempotencyKey? {
        let isBare = !text.utf8.contains { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }
        return isBare ? try? IdempotencyKey(content: text) : try? read(text)
    }

    /// SHA-256 of the content, which is stored and compared in its place.
    var digest: [UInt8] {
        Array(SHA256.hash(data: Array(text.utf8)))
    }

    /// Takes the content as it is, without quotes.
    ///
    /// - Throws: ``Problem`` of type `idempotency-key-invalid`.
    private init(content text: String) throws(Problem) {
        guard (1...255).contains(text.utf8.count),
            text.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else {
            throw Problem(
                .idempotencyKeyInvalid, "Expected 1 to 255 printable ASCII characters.")
        }
        self.text = text
    }
}
