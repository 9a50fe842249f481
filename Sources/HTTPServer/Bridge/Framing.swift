import HTTPTypes

/// What of a request's head libmicrohttpd lets through although two readers could take it in two
/// ways: where framing is ambiguous, a second request can hide in the first.
enum Framing {
    struct Checked {
        var fields = HTTPFields()
        var contentLength: Int?
        var expectsContinue = false
    }

    /// What is wrong with a head whose parts do not follow one another.
    static let gap = "the head holds a NUL, a folded line, or a line feed of its own"

    static func check(
        _ head: RequestHead, limits: ServerConfiguration
    ) -> Result<Checked, ProtocolFailure> {
        let target = head.target
        guard head.method.utf8.allSatisfy(isToken), !head.method.isEmpty else {
            return .failure(.badRequest("the method is not a token"))
        }
        guard target.utf8.count <= limits.targetBytesMax else {
            return .failure(.targetTooLong(limit: limits.targetBytesMax))
        }
        guard target.hasPrefix("/") || (target == "*" && head.method == "OPTIONS") else {
            return .failure(.badRequest("the request target has to begin with a slash"))
        }
        guard target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            return .failure(.badRequest("the request target holds a byte that has to be encoded"))
        }
        guard head.version == "HTTP/1.1" || head.version == "HTTP/1.0" else {
            return .failure(.badRequest("the versions known are HTTP/1.1 and HTTP/1.0"))
        }
        guard head.fields.count <= limits.headerCountMax else {
            return .failure(.tooManyHeaders(limit: limits.headerCountMax))
        }
        guard head.isGapless else {
            return .failure(.badRequest(gap))
        }
        return check(head.fields, version: head.version)
    }

    private static func check(
        _ fields: [RequestHead.Field], version: String
    ) -> Result<Checked, ProtocolFailure> {
        var checked = Checked()
        var hosts = 0
        var codings: [String] = []
        var lengths: [String] = []
        for field in fields {
            let value = field.value
            guard !field.name.isEmpty, let name = HTTPField.Name(field.name) else {
                return .failure(.badRequest("a header's name is not a token"))
            }
            guard value.utf8.allSatisfy({ $0 == 9 || ($0 >= 0x20 && $0 != 0x7F) }) else {
                return .failure(.badRequest("the header \(field.name) holds a control character"))
            }
            switch name.canonicalName {
            case "host": hosts += 1
            case "content-length": lengths.append(value)
            case "transfer-encoding": codings.append(value)
            case "expect":
                guard value.lowercased() == "100-continue" else {
                    return .failure(.badRequest("the only expectation known is 100-continue"))
                }
                checked.expectsContinue = true
            default: break
            }
            checked.fields.append(HTTPField(name: name, value: value))
        }
        guard hosts == 1 || (hosts == 0 && version == "HTTP/1.0") else {
            return .failure(.badRequest("there has to be one Host header"))
        }
        guard lengths.count <= 1, codings.count <= 1, lengths.isEmpty || codings.isEmpty else {
            return .failure(
                .badRequest("Content-Length and Transfer-Encoding may be given once, and not both"))
        }
        if let coding = codings.first, coding.lowercased() != "chunked" || version == "HTTP/1.0" {
            return .failure(.badRequest("the only transfer encoding known is chunked"))
        }
        if let length = lengths.first {
            guard (1...18).contains(length.utf8.count),
                length.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
            else { return .failure(.badRequest("Content-Length has to be a decimal number")) }
            checked.contentLength = Int(length)
        }
        return .success(checked)
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
            UInt8(ascii: "!"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
