import EventLoop

/// Whether a participant's journal of decisions can be used.
///
/// Until it is known to be in order, its branches are prepared like any other: a transaction whose
/// register is not there could never be decided.
final class JournalStanding: Sendable {
    private let ready = Lock(false)

    /// Whether it was found in order.
    var isReady: Bool { ready.withLock { $0 } }

    func markUsable() { ready.withLock { $0 = true } }
}
