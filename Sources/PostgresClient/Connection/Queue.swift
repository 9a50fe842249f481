/// First in, first out, without shifting the elements at every step.
package struct Queue<Element> {
    private var elements: [Element?] = []
    private var head = 0

    /// Makes an empty queue.
    package init() {}

    /// Whether there is nothing in it.
    package var isEmpty: Bool { head == elements.count }
    /// How many elements it has.
    package var count: Int { elements.count - head }
    /// The element that is taken out next.
    package var first: Element? { isEmpty ? nil : elements[head] }

    /// All of them, in order.
    package var all: [Element] { elements[head...].compactMap { $0 } }

    /// Adds an element at the end.
    package mutating func append(_ element: Element) {
        elements.append(element)
    }

    /// Takes out the first element.
    @discardableResult
    package mutating func popFirst() -> Element? {
        guard !isEmpty else { return nil }
        let element = elements[head]
        elements[head] = nil
        head += 1
        if head == elements.count {
            elements.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 64, head * 2 > elements.count {
            elements.removeFirst(head)
            head = 0
        }
        return element
    }

    /// Takes out everything, in order.
    package mutating func removeAll() -> [Element] {
        defer { self = Queue() }
        return all
    }

    /// Takes out the elements that a condition holds for.
    package mutating func removeAll(where condition: (Element) -> Bool) {
        elements = elements[head...].filter { $0.map { !condition($0) } ?? false }
        head = 0
    }
}
