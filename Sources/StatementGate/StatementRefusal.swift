/// Why a statement is not sent to a participant.
package struct StatementRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// The rule that the statement broke.
    package enum Reason: String, Hashable, Sendable, CaseIterable {
        /// It has only white space, comments and semicolons.
        case empty
        /// It would begin, end or divide the transaction, which only the coordinator does.
        case transactionControl
        /// It would change the session, which other transactions use later.
        case sessionState
        /// PostgreSQL never prepares a transaction that ran it, and the branch would be prepared.
        case cannotBePrepared
        /// It switches the connection to the COPY protocol, which a JSON request cannot speak.
        case copyProtocol
        /// A second statement follows the first.
        case severalStatements
        /// A string, identifier, dollar quote or comment does not end.
        case unterminated
        /// It has a NUL, which no text of PostgreSQL can hold.
        case nulCharacter
        /// A placeholder has a number that is not between $1 and $65535.
        case placeholderNumber
        /// The number of values differs from that of the placeholders.
        case parameterCount
        /// It names the schema of the coordinator's own tables.
        case reservedName
    }

    /// The rule that was broken.
    package var reason: Reason
    /// The byte from the start of the statement; nil if the rule is not about one place.
    package var offset: Int?
    /// What is wrong, for the caller; it quotes keywords of the statement and no values.
    package var message: String

    /// The message, safe to log.
    package var description: String { message }

    init(_ reason: Reason, at offset: Int? = nil, _ message: String) {
        self.reason = reason
        self.offset = offset
        self.message = message
    }
}
