/// The identity of a transaction: what to look for in logs, and to ask an outcome by.
public struct TransactionID: Sendable, Hashable, LosslessStringConvertible {
    /// The text form.
    public let description: String

    /// Takes the text form as it is.
    public init(_ description: String) {
        self.description = description
    }
}
