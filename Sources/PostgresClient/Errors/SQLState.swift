/// The five characters that name an error or a warning of PostgreSQL.
///
/// Source: PostgreSQL's documentation, appendix A.
public struct SQLState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The five characters.
    public let rawValue: String

    /// Takes any code, known here or not.
    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    /// The class: the first two characters.
    public var `class`: String { String(rawValue.prefix(2)) }

    /// The five characters.
    public var description: String { rawValue }
}

extension SQLState {
    /// 01000, of which a cancelled wait for synchronous replication is one.
    public static let warning = SQLState(rawValue: "01000")
    /// 08P01.
    public static let protocolViolation = SQLState(rawValue: "08P01")
    /// 0A000.
    public static let featureNotSupported = SQLState(rawValue: "0A000")
    /// 22021, for text with a NUL, too.
    public static let characterNotInRepertoire = SQLState(rawValue: "22021")
    /// 22012.
    public static let divisionByZero = SQLState(rawValue: "22012")
    /// 23505.
    public static let uniqueViolation = SQLState(rawValue: "23505")
    /// 25006, which a standby answers to every write.
    public static let readOnlySQLTransaction = SQLState(rawValue: "25006")
    /// 26000: no prepared statement of this name.
    public static let invalidSQLStatementName = SQLState(rawValue: "26000")
    /// 28000.
    public static let invalidAuthorization = SQLState(rawValue: "28000")
    /// 28P01.
    public static let invalidPassword = SQLState(rawValue: "28P01")
    /// 3D000: no such database.
    public static let invalidCatalogName = SQLState(rawValue: "3D000")
    /// 42501.
    public static let insufficientPrivilege = SQLState(rawValue: "42501")
    /// 42704, which COMMIT PREPARED answers when there is no such gid.
    public static let undefinedObject = SQLState(rawValue: "42704")
    /// 42P01.
    public static let undefinedTable = SQLState(rawValue: "42P01")
    /// 53200, which PREPARE TRANSACTION answers when all slots are taken.
    public static let outOfMemory = SQLState(rawValue: "53200")
    /// 55000: prepared transactions are disabled, or the gid is busy.
    public static let objectNotInPrerequisiteState = SQLState(rawValue: "55000")
    /// 57014.
    public static let queryCanceled = SQLState(rawValue: "57014")
    /// XX000: the server met something that it did not expect.
    public static let internalError = SQLState(rawValue: "XX000")
}
