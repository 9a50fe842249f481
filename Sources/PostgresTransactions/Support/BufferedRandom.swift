import EventLoop
import Glibc

/// Random numbers for what nobody may guess, from the kernel, which is asked for many at a time.
///
/// `SystemRandomNumberGenerator` has the same source, and asks for each number with a system call of
/// its own.
package struct BufferedRandom: Sendable {
    /// So many come at once: `getentropy` gives at most 256 bytes, and those always whole.
    private static let batchSize = 32
    private let numbers = Lock<[UInt64]>([])

    package init() {}

    /// A number that was never handed out before.
    package func next() -> UInt64 {
        numbers.withLock { numbers in
            if numbers.isEmpty { Self.fill(&numbers) }
            return numbers.removeLast()
        }
    }

    private static func fill(_ numbers: inout [UInt64]) {
        numbers.append(contentsOf: repeatElement(0, count: batchSize))
        let isFilled = unsafe numbers.withUnsafeMutableBytes { bytes in
            unsafe getentropy(bytes.baseAddress, bytes.count) == 0
        }
        // Only of a kernel without the call.
        if !isFilled { numbers = (0..<batchSize).map { _ in .random(in: .min ... .max) } }
    }
}
