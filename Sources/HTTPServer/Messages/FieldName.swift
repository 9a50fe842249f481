/// The name of a header field.
///
/// Code writes it down, so it is a token; names that clients send are compared to it, and never become
/// one.
package struct FieldName: Sendable, Hashable {
    /// The name as responses have it; requests may have it in any case.
    package let text: String

    /// Makes a name of a token.
    package init(_ text: String) {
        self.text = text
    }

    /// Whether these bytes of a token are the name, in any case.
    func matches(_ token: ArraySlice<UInt8>) -> Bool {
        // The bit distinguishes cases of letters. It makes no other byte of a token a letter or hyphen.
        text.utf8.count == token.count
            && zip(text.utf8, token).allSatisfy { $0 | 0x20 == $1 | 0x20 }
    }
}

extension FieldName {
    package static let accept = FieldName("Accept")
    package static let acceptEncoding = FieldName("Accept-Encoding")
    package static let allow = FieldName("Allow")
    package static let cacheControl = FieldName("Cache-Control")
    package static let contentEncoding = FieldName("Content-Encoding")
    package static let contentType = FieldName("Content-Type")
    package static let eTag = FieldName("ETag")
    package static let ifMatch = FieldName("If-Match")
    package static let ifNoneMatch = FieldName("If-None-Match")
    package static let location = FieldName("Location")
    package static let retryAfter = FieldName("Retry-After")
    package static let vary = FieldName("Vary")

    static let contentLength = FieldName("Content-Length")
    static let expect = FieldName("Expect")
    static let host = FieldName("Host")
    static let origin = FieldName("Origin")
    static let secFetchSite = FieldName("Sec-Fetch-Site")
    static let transferEncoding = FieldName("Transfer-Encoding")
}
