import CLinux

/// The operations that a descriptor is watched for, or is ready for.
package struct Readiness: OptionSet, Hashable, Sendable {
    /// The bits.
    package let rawValue: UInt8

    /// Makes a set from its bits.
    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Reading gives bytes, the end of the stream, or an error.
    package static let read = Readiness(rawValue: 1)
    /// Writing takes bytes or gives an error.
    package static let write = Readiness(rawValue: 2)

    var epollEvents: UInt32 {
        (contains(.read) ? EPOLLIN.rawValue | EPOLLRDHUP.rawValue : 0)
            | (contains(.write) ? EPOLLOUT.rawValue : 0)
    }

    /// Errors and hang-ups make a descriptor ready for both: the operation that the owner tries next fails
    /// with the cause.
    init(epollEvents events: UInt32) {
        let broken = events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
        self = []
        if broken || events & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue) != 0 { insert(.read) }
        if broken || events & EPOLLOUT.rawValue != 0 { insert(.write) }
    }
}
