import Glibc

extension String {
    /// Whether both texts have the same bytes in UTF-8.
    ///
    /// `==` takes two spellings of a letter for equal, as é in one scalar and in two.
    package func hasSameBytes(as other: String) -> Bool {
        guard utf8.count == other.utf8.count else { return false }
        let isEqual = unsafe utf8.withContiguousStorageIfAvailable { own in
            unsafe other.utf8.withContiguousStorageIfAvailable { other in
                guard let start = own.baseAddress, let otherStart = other.baseAddress else {
                    return true
                }
                return unsafe memcmp(start, otherStart, own.count) == 0
            }
        }
        return (isEqual ?? nil) ?? utf8.elementsEqual(other.utf8)
    }

    /// Whether this byte is in the text.
    package func containsByte(_ byte: UInt8) -> Bool {
        let isFound = unsafe utf8.withContiguousStorageIfAvailable { bytes in
            guard let start = bytes.baseAddress else { return false }
            return unsafe memchr(start, Int32(byte), bytes.count) != nil
        }
        return isFound ?? utf8.contains(byte)
    }
}
