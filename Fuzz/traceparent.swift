/// A position that can be read is written as one that is read as the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTraceParent(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    guard let parent = TraceParent(text) else { return 0 }
    precondition(TraceParent(parent.text) == parent, "what was written is another position")
    precondition(parent.spanID != 0, "a span without an id")
    return 0
}
