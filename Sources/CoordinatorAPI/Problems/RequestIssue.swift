/// One thing that is wrong with a request.
struct RequestIssue: Hashable, Sendable {
    /// Which part of the request it is about.
    enum Place: Hashable, Sendable {
        /// A value in the body, by its JSON Pointer.
        case body(JSONPointer)
        /// A parameter of the query, by its name.
        case parameter(String)
        /// A header field, by its name.
        case header(String)
    }

    /// Where.
    var place: Place
    /// What is wrong, and what would be right: a sentence for people.
    var detail: String

    /// Makes an issue of its place and what is wrong there.
    init(_ place: Place, _ detail: String) {
        self.place = place
        self.detail = detail
    }

    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        switch place {
        case .body(let pointer): writer.member("pointer", pointer.description)
        case .parameter(let name): writer.member("parameter", name)
        case .header(let name): writer.member("header", name)
        }
        writer.member("detail", detail)
        writer.endObject()
    }
}

/// Gathers what is wrong with a request, so that its author learns of everything at once.
///
/// A hostile body could hold a million faults; the list stops at a hundred.
struct RequestIssues {
    /// How many are told.
    static let countMax = 100

    /// What was found so far, in the order of the request.
    private(set) var list: [RequestIssue] = []

    /// Notes an issue with the body.
    mutating func add(
        _ pointer: @autoclosure () -> JSONPointer, _ detail: @autoclosure () -> String
    ) {
        add(.body(pointer()), detail())
    }

    /// Notes an issue; what is beyond those that are told is not even put into words.
    mutating func add(
        _ place: @autoclosure () -> RequestIssue.Place, _ detail: @autoclosure () -> String
    ) {
        if list.count < Self.countMax { list.append(RequestIssue(place(), detail())) }
    }

    /// Throws the problem of all that was found, if anything was.
    func throwIfAny() throws(Problem) {
        if !list.isEmpty { throw Problem(list) }
    }
}
