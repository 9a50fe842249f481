public import CommitProtocol

/// What replicas tell each other, beside what the log says.
///
/// A signal only wakes somebody who then looks at the log: it may be lost, late or repeated, and
/// nothing but speed depends on it.
public enum ReplicaSignal: Sendable, Hashable {
    /// Somebody waits for the end: whoever drives it is to tell.
    case watch(GlobalTransactionID)
    /// Its end is recorded.
    case ended(GlobalTransactionID)
    /// Its abort was recorded or is wanted: whoever drives it cancels its work at once.
    case rollBack(GlobalTransactionID)
    /// An operator resolved a branch of it: whoever drives it looks at what is recorded.
    case resolved(GlobalTransactionID)
}

/// The way to the other replicas.
public protocol ReplicaSignals: Sendable {
    /// Sends it to every replica, this one included; a failure is nobody's concern.
    func send(_ signal: ReplicaSignal) async
}

/// For a replica that is alone.
public struct NoSignals: ReplicaSignals {
    /// Makes it.
    public init() {}

    /// Does nothing.
    public func send(_ signal: ReplicaSignal) async {}
}
