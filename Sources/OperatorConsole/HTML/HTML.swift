/// A piece of a page, as a tree of elements and texts.
///
/// No case holds markup, so no text can become markup: `render` alone writes tags, and it escapes
/// every text and every attribute's value. Names of elements and attributes are written in the
/// source, as static strings.
package indirect enum HTML: Sendable {
    /// Characters for people to read.
    case text(String)
    /// An element with its attributes and what is in it.
    case element(Tag, [Attribute], HTML)
    /// Several pieces, one after the other.
    case group([HTML])

    /// Nothing.
    static let nothing = HTML.group([])

    /// Appends the markup.
    package func render(to bytes: inout [UInt8]) {
        switch self {
        case .text(let text):
            HTMLText.escape(text, to: &bytes)
        case .group(let pieces):
            for piece in pieces { piece.render(to: &bytes) }
        case .element(let tag, let attributes, let content):
            bytes.append(UInt8(ascii: "<"))
            bytes += tag.name.utf8Bytes
            for attribute in attributes { attribute.render(to: &bytes) }
            bytes.append(UInt8(ascii: ">"))
            guard !tag.isVoid else { return }
            content.render(to: &bytes)
            bytes += "</".utf8
            bytes += tag.name.utf8Bytes
            bytes.append(UInt8(ascii: ">"))
        }
    }

    /// The markup as text.
    package var markup: String {
        var bytes: [UInt8] = []
        render(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The name of an element.
package struct Tag: Sendable {
    fileprivate let name: StaticString
    /// Whether it has neither content nor an end tag.
    fileprivate let isVoid: Bool

    init(_ name: StaticString, isVoid: Bool = false) {
        self.name = name
        self.isVoid = isVoid
    }

    /// Makes an element of this name.
    func callAsFunction(
        _ attributes: Attribute?..., @HTMLBuilder content: () -> HTML = { .nothing }
    ) -> HTML {
        .element(self, attributes.compactMap(\.self), content())
    }
}

/// An attribute of an element.
package struct Attribute: Sendable {
    private let name: StaticString
    /// Nil for an attribute that is only there or not, such as `hidden`.
    private let value: String?

    init(_ name: StaticString, _ value: String?) {
        self.name = name
        self.value = value
    }

    fileprivate func render(to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: " "))
        bytes += name.utf8Bytes
        guard let value else { return }
        bytes += "=\"".utf8
        HTMLText.escape(value, to: &bytes)
        bytes.append(UInt8(ascii: "\""))
    }
}

/// What a text is made into before it stands in a page.
private enum HTMLText {
    /// Appends a text so that none of it is markup, in content and in quoted values alike.
    ///
    /// Control characters, which HTML does not allow, become U+FFFD. So do the characters that
    /// reorder a line: a name with one of them would look like another name, in a statement too that
    /// an operator is about to copy.
    static func escape(_ text: String, to bytes: inout [UInt8]) {
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": bytes += "&amp;".utf8
            case "<": bytes += "&lt;".utf8
            case ">": bytes += "&gt;".utf8
            case "\"": bytes += "&quot;".utf8
            case "'": bytes += "&#39;".utf8
            case "\t", "\n": bytes.append(UInt8(scalar.value))
            case "\0"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{202A}"..."\u{202E}",
                "\u{2066}"..."\u{2069}":
                bytes += "\u{FFFD}".utf8
            default: bytes += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
            }
        }
    }
}

extension StaticString {
    fileprivate var utf8Bytes: [UInt8] { withUTF8Buffer { Array($0) } }
}

/// Builds the content of an element: texts, elements, conditions and loops.
@resultBuilder
enum HTMLBuilder {
    static func buildExpression(_ text: String) -> HTML { .text(text) }
    static func buildExpression(_ piece: HTML) -> HTML { piece }
    static func buildExpression(_ piece: HTML?) -> HTML { piece ?? .nothing }
    static func buildBlock(_ pieces: HTML...) -> HTML {
        pieces.count == 1 ? pieces[0] : .group(pieces)
    }
    static func buildOptional(_ piece: HTML?) -> HTML { piece ?? .nothing }
    static func buildEither(first piece: HTML) -> HTML { piece }
    static func buildEither(second piece: HTML) -> HTML { piece }
    static func buildArray(_ pieces: [HTML]) -> HTML { .group(pieces) }
}
