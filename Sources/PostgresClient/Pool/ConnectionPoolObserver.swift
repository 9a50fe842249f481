/// Receives the events of a connection pool, for metrics and traces.
///
/// The pool calls it on the event loop, so its functions must return at once. Each does nothing by
/// default.
package protocol ConnectionPoolObserver: Sendable {
    /// A connection was opened and prepared.
    func connectionOpened()
    /// An attempt to open or prepare a connection failed.
    func connectionFailed(_ error: any Error)
    /// A connection of the pool was closed or lost.
    func connectionClosed()
    /// A caller found no idle connection and waits for one.
    func leaseQueued()
    /// A caller got a connection, after this wait.
    func leaseGiven(after wait: Duration)
    /// A caller returned a connection, or had the pool discard it.
    func leaseReturned()
}

extension ConnectionPoolObserver {
    package func connectionOpened() {}
    package func connectionFailed(_ error: any Error) {}
    package func connectionClosed() {}
    package func leaseQueued() {}
    package func leaseGiven(after wait: Duration) {}
    package func leaseReturned() {}
}
