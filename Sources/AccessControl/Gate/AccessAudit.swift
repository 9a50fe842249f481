import EventLoop

/// Receives what an auditor has to know of access.
package protocol AccessAudit: Sendable {
    /// A request from this address was refused.
    @LoopActor
    func refused(_ denial: AccessDenial, from address: String)
}
