import CLinux

/// The memory of this process, which holds passwords, tokens and callers' data.
package enum ProcessMemory {
    /// From now on a crash leaves no core dump, and no other process of the same user can read the memory.
    ///
    /// Source: prctl(2), PR_SET_DUMPABLE.
    package static func keepPrivate() {
        // The only error that prctl(2) names is an argument that does not exist.
        let failure = clinux_keep_memory_private()
        precondition(failure == 0, "prctl: errno \(failure)")
    }
}
