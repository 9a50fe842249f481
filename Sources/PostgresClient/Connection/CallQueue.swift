import EventLoop

/// The calls that were sent and are not answered, in order.
///
/// They are a list whose links are in the calls themselves: nearly everything that a connection does
/// looks at the first one, and an array in a class would have each look recorded as an access.
@LoopActor
final class CallQueue {
    private(set) var first: Call?
    private var last: Call?

    nonisolated init() {}

    var isEmpty: Bool { first == nil }

    /// Whether there is exactly one.
    var hasOne: Bool { first != nil && first === last }

    /// All of them, in order.
    var all: [Call] {
        var all: [Call] = []
        var next = first
        while let call = next {
            all.append(call)
            next = call.next
        }
        return all
    }

    func append(_ call: Call) {
        if let last { last.next = call } else { first = call }
        last = call
    }

    /// Takes out the first one.
    func popFirst() {
        guard let call = first else { return }
        first = call.next
        if first == nil { last = nil }
        call.next = nil
    }

    /// Takes out everything, in order.
    func removeAll() -> [Call] {
        let removed = all
        for call in removed { call.next = nil }
        (first, last) = (nil, nil)
        return removed
    }
}
