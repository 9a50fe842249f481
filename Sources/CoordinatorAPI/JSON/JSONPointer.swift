/// The place of a value in a JSON text, as RFC 6901 writes it: `/branches/0/statements`.
///
/// The empty pointer names the whole text. Appending is cheap enough to be done while a request is
/// walked, and no text is made before an error needs it.
struct JSONPointer: Hashable, Sendable, CustomStringConvertible {
    private var tokens: [String]

    /// The pointer to the whole text.
    static let root = JSONPointer(tokens: [])

    /// The pointer to the member of that name.
    func member(_ name: String) -> JSONPointer {
        JSONPointer(tokens: tokens + [name])
    }

    /// The pointer to the element at that place.
    func element(_ index: Int) -> JSONPointer {
        JSONPointer(tokens: tokens + [String(index)])
    }

    private init(tokens: [String]) {
        self.tokens = tokens
    }

    var description: String {
        tokens.map { "/" + JSONPointer.escaped($0) }.joined()
    }

    /// One reference token with `~` and `/` escaped.
    static func escaped(_ token: String) -> String {
        guard token.utf8.contains(where: { $0 == UInt8(ascii: "~") || $0 == UInt8(ascii: "/") })
        else { return token }
        var result = ""
        for scalar in token.unicodeScalars {
            switch scalar {
            case "~": result += "~0"
            case "/": result += "~1"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
