/// As in TransactionEngine, which is not part of this program.
typealias Timestamp = Int64

/// What is read is written and read again as the same, and the canonical form is one.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSON(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    guard let value = try? JSONReader.read(bytes) else { return 0 }
    var writer = JSONWriter(capacity: bytes.count)
    writer.value(value)
    let again = try? JSONReader.read(writer.bytes)
    precondition(again == value, "what was written is another value")
    guard let canonical = try? CanonicalJSON.bytes(of: bytes, depthMax: 64) else {
        preconditionFailure("a text that can be read has no canonical form")
    }
    precondition((try? JSONReader.read(canonical)) != nil, "the canonical form cannot be read")
    precondition(
        (try? CanonicalJSON.bytes(of: canonical, depthMax: 64)) == canonical,
        "the canonical form of a canonical form is another one")
    precondition(
        (try? CanonicalJSON.bytes(of: writer.bytes, depthMax: 64)) == canonical,
        "two texts of one value have two canonical forms")
    return 0
}
