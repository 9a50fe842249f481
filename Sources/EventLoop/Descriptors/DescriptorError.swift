import CLinux

/// The kernel would not watch a descriptor.
package struct DescriptorError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The errno.
    package let code: Int32

    /// The system's text for the errno.
    package var description: String {
        let text = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            guard let start = buffer.baseAddress else { return "" }
            unsafe clinux_describe_error(code, start, buffer.count)
            return unsafe String(cString: start)
        }
        return "the descriptor cannot be watched: \(text) (errno \(code))"
    }
}
