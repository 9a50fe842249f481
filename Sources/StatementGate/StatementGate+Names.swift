extension [UInt8] {
    /// Where these lower-case letters begin in a text, in whatever case they are there.
    func firstPlace(of name: [UInt8]) -> Int? {
        guard let first = name.first, count >= name.count else { return nil }
        for start in 0...(count - name.count) where self[start] | 0x20 == first {
            let isHere = name.indices.allSatisfy { index in
                let byte = self[start + index]
                return byte == name[index]
                    || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                        && byte | 0x20 == name[index]
            }
            if isHere { return start }
        }
        return nil
    }
}
