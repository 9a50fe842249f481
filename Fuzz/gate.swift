/// Any text gets a verdict; a statement that passes does so beside white space and semicolons too.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzGate(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    do {
        let facts = try StatementGate.inspect(text)
        precondition((0...65_535).contains(facts.parameterCount), "an impossible placeholder")
        for around in [text + "\n", text + "\n-- x", "\n" + text, "/* x */" + text] {
            let again = try? StatementGate.inspect(around)
            precondition(again == facts, "white space and comments change the verdict")
        }
    } catch {
        precondition((0...text.utf8.count).contains(error.offset ?? 0), "an offset outside")
        precondition(error.message.hasSuffix("."), "a refusal that is no sentence")
    }
    return 0
}
