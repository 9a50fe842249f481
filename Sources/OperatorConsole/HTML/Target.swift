/// The address of a page or of a resource of the interface, on this server.
///
/// It begins with a path that the source holds, and what is added to it is percent-encoded. So
/// a name from outside can neither change the path nor bring in another scheme, `javascript:` say.
package struct Target: Sendable, Hashable {
    /// The path and the query.
    package private(set) var text: String
    private var hasQuery = false

    init(_ path: StaticString) {
        text = "\(path)"
    }

    /// The target with one more segment of the path.
    func appending(_ segment: String) -> Target {
        var target = self
        target.text += "/" + Self.encode(segment)
        return target
    }

    /// The target with one more parameter in the query.
    func with(_ name: String, _ value: String) -> Target {
        var target = self
        target.text += (hasQuery ? "&" : "?") + Self.encode(name) + "=" + Self.encode(value)
        target.hasQuery = true
        return target
    }

    /// The target with these parameters in the query, in order.
    func with(_ items: [(name: String, value: String)]) -> Target {
        items.reduce(self) { $0.with($1.name, $1.value) }
    }

    /// Encodes all but the unreserved characters of RFC 3986, so that a dot segment stays one alone.
    private static func encode(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
                UInt8(ascii: "~"), UInt8(ascii: "."):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                encoded += "%"
                encoded.append(digits[Int(byte >> 4)])
                encoded.append(digits[Int(byte & 15)])
            }
        }
        return encoded
    }
}

extension Target {
    static let overview = Target("/")
    static let transactions = Target("/transactions")
    static let participants = Target("/participants")
    static let signIn = Target("/sign-in")
    static let signOut = Target("/sign-out")

    /// The page of a transaction.
    static func transaction(_ id: String) -> Target { transactions.appending(id) }
    /// The page of a participant.
    static func participant(_ name: String) -> Target { participants.appending(name) }

    /// The same as JSON.
    static let overviewJSON = Target("/v1/overview")
    static let transactionsJSON = Target("/v1/transactions")
    static func transactionJSON(_ id: String) -> Target { transactionsJSON.appending(id) }
    static let participantsJSON = Target("/v1/participants")
    static func participantJSON(_ name: String) -> Target { participantsJSON.appending(name) }
}
