/// A function fits on a screen.
enum FunctionLength {
    static let linesMax = 70

    static func faults(in files: [SourceFile]) -> [String] {
        files.flatMap { file in
            let code = SwiftCode(file.text)
            return declarations(code).compactMap { name, start -> String? in
                guard let end = endOfBody(code.bytes, from: start) else { return nil }
                let first = code.line(at: start)
                let count = code.line(at: end) - first + 1
                guard count > linesMax else { return nil }
                return "\(file.path):\(first): \(name) has \(count) lines, \(linesMax) at most"
            }
        }
    }

    /// The functions and initializers, each with where it begins; calls such as `self.init(` are
    /// none.
    private static func declarations(_ code: SwiftCode) -> [(name: String, start: Int)] {
        let text = code.text
        let pattern =
            /(?:^|[\s;{}])(?<name>func\s+[^\s(<]+|(?:init|subscript)[?!]?\s*[(<]|deinit\b)/
        return text.matches(of: pattern).map { match in
            let name = match.output.name
            let start = text.utf8.distance(from: text.startIndex, to: name.startIndex)
            return (name.trimmingPrefix("func ").filter { !"(< ".contains($0) }, start)
        }
    }

    /// The brace that closes the body; nil when there is none, as in a protocol.
    private static func endOfBody(_ code: [UInt8], from start: Int) -> Int? {
        var parentheses = 0
        var braces = 0
        for offset in start..<code.count {
            switch code[offset] {
            case UInt8(ascii: "("), UInt8(ascii: "["): parentheses += 1
            case UInt8(ascii: ")"), UInt8(ascii: "]"): parentheses -= 1
            // A closure that is a parameter's default is not the body.
            case UInt8(ascii: "{") where braces > 0 || parentheses == 0: braces += 1
            case UInt8(ascii: "}") where braces > 0 || parentheses == 0:
                braces -= 1
                if braces <= 0 { return braces == 0 ? offset : nil }
            case UInt8(ascii: "\n") where braces == 0 && parentheses == 0:
                if beginsDeclaration(code[(offset + 1)...]) { return nil }
            default: break
            }
        }
        return nil
    }

    /// Whether the next line begins another declaration, so that the one before had no body.
    private static func beginsDeclaration(_ rest: ArraySlice<UInt8>) -> Bool {
        let line = String(decoding: rest.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        let pattern =
            /^\s*(?:@|#|(?:public|package|internal|private|fileprivate|static|mutating|nonisolated|func|init|var|let|case|subscript|associatedtype|typealias)\b)/
        return line.firstMatch(of: pattern) != nil
    }
}
