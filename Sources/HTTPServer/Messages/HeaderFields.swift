/// The header fields of a request.
///
/// They stay the bytes that the client sent: of a field that nobody asks for, nothing is made.
package struct RequestFields: Sendable {
    /// Where the parts of a field are in the head.
    struct Place: Sendable {
        let nameStart: Int
        let nameCount: Int
        let valueStart: Int
        let valueCount: Int

        var name: Range<Int> { nameStart..<nameStart + nameCount }
        var value: Range<Int> { valueStart..<valueStart + valueCount }
    }

    private let head: [UInt8]
    private let places: [Place]
    /// What `Host` is taken to be.
    private let authority: String?

    /// Takes the fields of a sound head, in order; a target's authority replaces what `Host` says.
    init(_ head: RequestHead, authority: String?) {
        self.head = head.bytes
        places = head.fields
        self.authority = authority
    }

    /// The value of a field, without the blanks around it; nil if there is none.
    ///
    /// Several fields of one name are one list, so their values are joined by commas (RFC 9110, 5.3).
    package subscript(name: FieldName) -> String? {
        if name == .host, let authority { return authority }
        var joined: String?
        for place in places where name.matches(head[place.name]) {
            let value = text(place.value)
            joined = joined.map { "\($0), \(value)" } ?? value
        }
        return joined
    }

    /// All fields, in order.
    var all: [(name: String, value: String)] {
        places.map { place in
            let isReplaced = authority != nil && FieldName.host.matches(head[place.name])
            return (text(place.name), isReplaced ? authority ?? "" : text(place.value))
        }
    }

    private func text(_ range: Range<Int>) -> String {
        let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        var bytes = head[range]
        while let first = bytes.first, isBlank(first) { bytes.removeFirst() }
        while let last = bytes.last, isBlank(last) { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The header fields of a response, in order; each name occurs once.
package struct ResponseFields: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    struct Field: Sendable, Hashable {
        let name: FieldName
        var value: String
    }

    private(set) var fields: [Field]

    package init(dictionaryLiteral elements: (FieldName, String)...) {
        fields = elements.map(Field.init)
    }

    /// The value of a field; nil if there is none.
    package subscript(name: FieldName) -> String? {
        get { fields.first { $0.name == name }?.value }
        set {
            let index = fields.firstIndex { $0.name == name }
            switch (index, newValue) {
            case (let index?, let value?): fields[index].value = value
            case (let index?, nil): fields.remove(at: index)
            case (nil, let value?): fields.append(Field(name: name, value: value))
            case (nil, nil): break
            }
        }
    }
}
