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
    let place: Place
    /// What is wrong, and what would be right.
    let detail: String

    /// Makes an issue of its place and what is wrong there.
    init(_ place: Place, _ detail: String) {
        self.place = place
        self.detail = detail
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch place {
            case .body(let pointer): writer.member("pointer", pointer.description)
            case .parameter(let name): writer.member("parameter", name)
            case .header(let name): writer.member("header", name)
            }
            writer.member("detail", detail)
        }
    }
}

/// Gathers what is wrong with a request, so that one answer names everything.
///
/// A hostile body could hold a million faults; the list stops at a hundred.
final class RequestIssues {
    /// How many are listed.
    static let countMax = 100

    /// What was found so far, in the order of the request.
    private(set) var list: [RequestIssue] = []

    /// Adds an issue with the body.
    func add(_ pointer: @autoclosure () -> JSONPointer, _ detail: @autoclosure () -> String) {
        add(.body(pointer()), detail())
    }

    /// Adds an issue; beyond the hundredth, no text is even made.
    func add(
        _ place: @autoclosure () -> RequestIssue.Place, _ detail: @autoclosure () -> String
    ) {
        if list.count < Self.countMax { list.append(RequestIssue(place(), detail())) }
    }

    /// Throws the problem of all that was found, if anything was.
    func throwIfAny() throws(Problem) {
        if !list.isEmpty { throw Problem(list) }
    }
}
