/// The five characters with which PostgreSQL names an error or a warning.
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
    /// 00000.
    public static let successfulCompletion = SQLState(rawValue: "00000")
    /// 01000, of which a cancelled wait for synchronous replication is one.
    public static let warning = SQLState(rawValue: "01000")
    /// 08000.
    public static let connectionException = SQLState(rawValue: "08000")
    /// 08006.
    public static let connectionFailure = SQLState(rawValue: "08006")
    /// 08P01.
    public static let protocolViolation = SQLState(rawValue: "08P01")
    /// 0A000.
    public static let featureNotSupported = SQLState(rawValue: "0A000")
    /// 22021, for text with a NUL, too.
    public static let characterNotInRepertoire = SQLState(rawValue: "22021")
    /// 22012.
    public static let divisionByZero = SQLState(rawValue: "22012")
    /// 23502.
    public static let notNullViolation = SQLState(rawValue: "23502")
    /// 23503.
    public static let foreignKeyViolation = SQLState(rawValue: "23503")
    /// 23505.
    public static let uniqueViolation = SQLState(rawValue: "23505")
    /// 23514.
    public static let checkViolation = SQLState(rawValue: "23514")
    /// 25001.
    public static let activeSQLTransaction = SQLState(rawValue: "25001")
    /// 25006, which a standby answers to whatever writes.
    public static let readOnlySQLTransaction = SQLState(rawValue: "25006")
    /// 25P01.
    public static let noActiveSQLTransaction = SQLState(rawValue: "25P01")
    /// 25P02.
    public static let inFailedSQLTransaction = SQLState(rawValue: "25P02")
    /// 25P03.
    public static let idleInTransactionSessionTimeout = SQLState(rawValue: "25P03")
    /// 26000: no prepared statement of this name.
    public static let invalidSQLStatementName = SQLState(rawValue: "26000")
    /// 28000.
    public static let invalidAuthorization = SQLState(rawValue: "28000")
    /// 28P01.
    public static let invalidPassword = SQLState(rawValue: "28P01")
    /// 3D000: no such database.
    public static let invalidCatalogName = SQLState(rawValue: "3D000")
    /// 40001.
    public static let serializationFailure = SQLState(rawValue: "40001")
    /// 40P01.
    public static let deadlockDetected = SQLState(rawValue: "40P01")
    /// 42501.
    public static let insufficientPrivilege = SQLState(rawValue: "42501")
    /// 42601.
    public static let syntaxError = SQLState(rawValue: "42601")
    /// 42704, which COMMIT PREPARED answers when there is no such gid.
    public static let undefinedObject = SQLState(rawValue: "42704")
    /// 42710, which PREPARE TRANSACTION answers when the gid is taken.
    public static let duplicateObject = SQLState(rawValue: "42710")
    /// 42P01.
    public static let undefinedTable = SQLState(rawValue: "42P01")
    /// 42P05.
    public static let duplicatePreparedStatement = SQLState(rawValue: "42P05")
    /// 53200, which PREPARE TRANSACTION answers when all slots are taken.
    public static let outOfMemory = SQLState(rawValue: "53200")
    /// 53300.
    public static let tooManyConnections = SQLState(rawValue: "53300")
    /// 55000: prepared transactions are disabled, or the gid is busy.
    public static let objectNotInPrerequisiteState = SQLState(rawValue: "55000")
    /// 55006.
    public static let objectInUse = SQLState(rawValue: "55006")
    /// 55P03.
    public static let lockNotAvailable = SQLState(rawValue: "55P03")
    /// 57014.
    public static let queryCanceled = SQLState(rawValue: "57014")
    /// 57P01.
    public static let adminShutdown = SQLState(rawValue: "57P01")
    /// 57P02.
    public static let crashShutdown = SQLState(rawValue: "57P02")
    /// 57P03: the server is starting or stopping.
    public static let cannotConnectNow = SQLState(rawValue: "57P03")
    /// 57P04.
    public static let databaseDropped = SQLState(rawValue: "57P04")
    /// 57P05.
    public static let idleSessionTimeout = SQLState(rawValue: "57P05")
    /// XX000: what the server did not expect to meet.
    public static let internalError = SQLState(rawValue: "XX000")
}
