/// Splits the value of a header field at a separator, but not inside quoted strings.
///
/// - Parameters:
///   - value: The field's value; `RequestFields` has joined several fields of one name by commas.
///   - separator: A comma or a semicolon.
///   - hasEscapes: Whether a backslash in quotes escapes what follows; entity tags have no escapes.
/// - Returns: The parts without white space around them, empty parts left out.
func fieldParts(
    _ value: some StringProtocol, separatedBy separator: UInt8, hasEscapes: Bool = true
) -> [Substring] {
    let text = Substring(value)
    var parts: [Substring] = []
    var start = text.startIndex
    var isQuoted = false
    var isEscaped = false
    for index in text.utf8.indices {
        let byte = text.utf8[index]
        if isEscaped {
            isEscaped = false
        } else if hasEscapes, isQuoted, byte == UInt8(ascii: "\\") {
            isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
            isQuoted.toggle()
        } else if byte == separator, !isQuoted {
            parts.append(text[start..<index])
            start = text.utf8.index(after: index)
        }
    }
    parts.append(text[start...])
    return parts.map(trimmed).filter { !$0.isEmpty }
}

/// Returns a part of a field's value without the blanks around it.
private func trimmed(_ text: Substring) -> Substring {
    let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
    var bytes = text.utf8
    while let first = bytes.first, isBlank(first) { bytes.removeFirst() }
    while let last = bytes.last, isBlank(last) { bytes.removeLast() }
    return Substring(bytes)
}

/// Splits a part `name=value`, without blanks and the quotes around the value.
func nameAndValue(_ part: Substring) -> (name: String, value: String?) {
    guard let sign = part.utf8.firstIndex(of: UInt8(ascii: "=")) else {
        return (part.lowercased(), nil)
    }
    let name = trimmed(part[..<sign]).lowercased()
    var value = trimmed(part[part.utf8.index(after: sign)...])
    if value.utf8.count >= 2, value.utf8.first == UInt8(ascii: "\""),
        value.utf8.last == UInt8(ascii: "\"")
    {
        value = value.dropFirst().dropLast()
    }
    return (name, String(value))
}
