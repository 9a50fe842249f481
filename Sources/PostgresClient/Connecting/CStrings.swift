import EventLoop
import Glibc

/// Hands strings to C as a NULL-terminated array, in one temporary piece of memory.
///
/// A nil element becomes a NULL pointer, as libpq wants it for an SQL NULL. The pointers must not
/// be used after the body returns.
func withCStrings<Result>(
    _ strings: [String?], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
) -> Result {
    let byteCount = strings.reduce(0) { $0 + ($1.map { $0.utf8.count + 1 } ?? 0) }
    return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: byteCount) { bytes in
        unsafe withUnsafeTemporaryAllocation(
            of: UnsafePointer<CChar>?.self, capacity: strings.count + 1
        ) { pointers in
            var used = 0
            for (index, string) in strings.enumerated() {
                var pointer: UnsafePointer<CChar>?
                if let string {
                    unsafe pointer = UnsafePointer(bytes.baseAddress).map { unsafe $0 + used }
                    used += unsafe bytes[used...].fill(with: string)
                    unsafe bytes.initializeElement(at: used, to: 0)
                    used += 1
                }
                unsafe pointers.initializeElement(at: index, to: pointer)
            }
            unsafe pointers.initializeElement(at: strings.count, to: nil)
            return unsafe body(UnsafePointer(pointers.baseAddress))
        }
    }
}

extension Slice where Base == UnsafeMutableBufferPointer<CChar> {
    /// Copies the UTF-8 of a string to the start; returns how many bytes that are.
    fileprivate func fill(with string: String) -> Int {
        var string = string
        return string.withUTF8 { utf8 in
            let target = unsafe UnsafeMutableRawBufferPointer(
                UnsafeMutableBufferPointer(rebasing: self))
            unsafe target.copyMemory(from: UnsafeRawBufferPointer(utf8))
            return utf8.count
        }
    }
}

extension String {
    /// Whether C would take the text for shorter than it is.
    var containsNUL: Bool { containsByte(0) }
}
