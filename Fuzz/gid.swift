/// Only the exact spelling of a name is tandem's own: such a name made again from its parts is the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzName(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    let installation = "i"
    switch PreparedTransactionName.ownership(of: text, installation: installation) {
    case .foreign: break
    case .ours(let transaction, let branch):
        let name = PreparedTransactionName(
            installation: installation, transaction: transaction, branch: branch)
        precondition(
            name.description.utf8.elementsEqual(text.utf8), "another spelling is taken for our own")
    }
    return 0
}
