/// The five characters that name an error or a warning of PostgreSQL.
///
/// Source: PostgreSQL's documentation, appendix A.
package struct SQLState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The five characters.
    package let rawValue: String

    /// Takes any code, known here or not.
    package init(rawValue: String) {
        self.rawValue = rawValue
    }

    /// The class: the first two characters.
    package var `class`: String { String(rawValue.prefix(2)) }

    /// The five characters.
    package var description: String { rawValue }
}

extension SQLState {
    /// 01000, of which a cancelled wait for synchronous replication is one.
    package static let warning = SQLState(rawValue: "01000")
    /// 08P01.
    package static let protocolViolation = SQLState(rawValue: "08P01")
    /// 0A000.
    package static let featureNotSupported = SQLState(rawValue: "0A000")
    /// 22021, for text with a NUL, too.
    package static let characterNotInRepertoire = SQLState(rawValue: "22021")
    /// 22012.
    package static let divisionByZero = SQLState(rawValue: "22012")
    /// 23505.
    package static let uniqueViolation = SQLState(rawValue: "23505")
    /// 26000: no prepared statement of this name.
    package static let invalidSQLStatementName = SQLState(rawValue: "26000")
    /// 42501.
    package static let insufficientPrivilege = SQLState(rawValue: "42501")
    /// 42704, which COMMIT PREPARED answers when there is no such gid.
    package static let undefinedObject = SQLState(rawValue: "42704")
    /// 53200, which PREPARE TRANSACTION answers when all slots are taken.
    package static let outOfMemory = SQLState(rawValue: "53200")
    /// 55000: prepared transactions are disabled, or the gid is busy.
    package static let objectNotInPrerequisiteState = SQLState(rawValue: "55000")
    /// 57014.
    package static let queryCanceled = SQLState(rawValue: "57014")
    /// XX000: the server met something that it did not expect.
    package static let internalError = SQLState(rawValue: "XX000")
}
