import CLinux

extension EventLoop {
    /// Calls a body whenever a descriptor is ready, until it is unwatched.
    ///
    /// Readiness is level-triggered: a body that leaves bytes unread is called again. Unwatch a descriptor
    /// before closing it. Throws the kernel's error, and EEXIST for a descriptor that is watched already.
    @LoopActor
    package func watch(
        _ descriptor: Int32, for readiness: Readiness,
        _ body: @escaping @LoopActor (Readiness) -> Void
    ) throws(DescriptorError) {
        guard descriptor >= 0 else { throw DescriptorError(code: EBADF) }
        guard watches.tag(of: descriptor) == nil else { throw DescriptorError(code: EEXIST) }
        let tag = watches.add(descriptor, body)
        let error = clinux_epoll_control(
            epollDescriptor, EPOLL_CTL_ADD, descriptor, readiness.epollEvents, tag)
        if error != 0 {
            _ = watches.remove(descriptor)
            throw DescriptorError(code: error)
        }
    }

    /// Changes what a watched descriptor is watched for; nothing but errors if empty.
    @LoopActor
    package func change(_ descriptor: Int32, to readiness: Readiness) throws(DescriptorError) {
        guard let tag = watches.tag(of: descriptor) else { throw DescriptorError(code: ENOENT) }
        let error = clinux_epoll_control(
            epollDescriptor, EPOLL_CTL_MOD, descriptor, readiness.epollEvents, tag)
        if error != 0 { throw DescriptorError(code: error) }
    }

    /// Stops watching a descriptor; harmless if it is not watched.
    ///
    /// No event reaches the body afterwards, not even one that epoll has reported already.
    @LoopActor
    package func unwatch(_ descriptor: Int32) {
        guard watches.remove(descriptor) else { return }
        // The only possible error is that the descriptor was closed before; then the kernel has
        // forgotten it already.
        _ = clinux_epoll_control(epollDescriptor, EPOLL_CTL_DEL, descriptor, 0, 0)
    }

    /// Hands an event to the body that watches for it.
    @LoopActor
    func deliver(tag: UInt64, readiness events: UInt32) {
        if tag == WatchTable.wakeTag {
            clinux_eventfd_drain(wakeDescriptor)
        } else {
            watches.body(for: tag)?(Readiness(epollEvents: events))
        }
    }
}
