/// Why a statement is not sent to a participant.
public struct StatementRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// The rule that the statement broke.
    public enum Reason: String, Hashable, Sendable, CaseIterable {
        /// There is nothing but white space, comments and semicolons.
        case empty
        /// It would begin, end or divide the transaction, which only the coordinator does.
        case transactionControl
        /// It would leave something behind in the session, which other transactions will use.
        case sessionState
        /// PostgreSQL never prepares a transaction that ran it, and the branch is to be prepared.
        case cannotBePrepared
        /// It switches the connection to the COPY protocol, which a JSON request cannot speak.
        case copyProtocol
        /// There is a second statement after the first.
        case severalStatements
        /// A string, identifier, dollar quote or comment does not end.
        case unterminated
        /// There is a NUL, which no text of PostgreSQL can hold.
        case nulCharacter
        /// A placeholder has a number that is not between $1 and $65535.
        case placeholderNumber
        /// The values given are more or fewer than the placeholders.
        case parameterCount
        /// It names the schema that the coordinator keeps its own tables in.
        case reservedName
    }

    /// The rule that was broken.
    public var reason: Reason
    /// Where: bytes from the start of the statement; `nil` if it is not about one place.
    public var offset: Int?
    /// What is wrong, for the caller; it quotes keywords of the statement and no values.
    public var message: String

    /// The message, safe to log.
    public var description: String { message }

    init(_ reason: Reason, at offset: Int? = nil, _ message: String) {
        self.reason = reason
        self.offset = offset
        self.message = message
    }
}
