package import CommitProtocol

/// A message between replicas.
///
/// It only wakes a replica, which then reads the log: it may be lost, late or repeated, and nothing
/// but speed depends on it.
package enum ReplicaSignal: Sendable, Hashable {
    /// A replica waits for the finish: the coordinating replica is to signal it.
    case watch(GlobalTransactionID)
    /// Its finish is recorded.
    case finished(GlobalTransactionID)
    /// Its abort is recorded or requested: the coordinating replica cancels its work at once.
    case rollBack(GlobalTransactionID)
    /// An operator resolved a branch: the coordinating replica reads what is recorded.
    case resolved(GlobalTransactionID)
    /// The coordinating replica is to try its unfinished branches at once.
    case retry(GlobalTransactionID)
}

/// The way to the other replicas.
package protocol ReplicaSignals: Sendable {
    /// Sends it to every replica, this one included; failures are ignored.
    func send(_ signal: ReplicaSignal) async
}

/// The signals of a replica that is alone: none.
package struct NoSignals: ReplicaSignals {
    package init() {}

    package func send(_ signal: ReplicaSignal) async {}
}
