/// A type that a column of a row can be read as.
///
/// Every ``SQLValue`` is one, and every optional of one, for columns that may be NULL.
public protocol SQLColumn: Sendable {
    /// Reads a column's text, which is nil for NULL; the answer is nil if it does not fit.
    static func read(column text: String?) -> Self?
}

/// A type whose values can be parameters of statements, and values of columns.
///
/// Values travel in PostgreSQL's text form, and the server infers the type of each parameter from
/// its place in the statement: `$1::jsonb` says it where nothing else does. Which types there are says
/// <doc:GettingStarted>.
///
/// It does so once a session. A column that has changed its type since is noticed by the error; where the old
/// type takes the text as well (`real` that became `double precision`, `timestamp` that became
/// `timestamptz`), programs that run go on with it until they are started again.
public protocol SQLValue: SQLColumn {
    /// The value in the form that PostgreSQL reads.
    var sqlText: String { get }
    /// Reads the form that PostgreSQL prints; nil if it does not fit.
    init?(sqlText: String)
}

extension SQLValue {
    /// Reads a column that is not NULL.
    public static func read(column text: String?) -> Self? { text.flatMap(Self.init(sqlText:)) }
}

extension Optional: SQLColumn where Wrapped: SQLColumn {
    /// Reads a column; NULL is nil.
    public static func read(column text: String?) -> Self? {
        guard let text else { return .some(.none) }
        return Wrapped.read(column: text).map { .some($0) }
    }
}

extension SQLValue where Self: RawRepresentable, RawValue: SQLValue {
    /// The raw value's text.
    public var sqlText: String { rawValue.sqlText }

    /// Makes the value of a raw value.
    public init?(sqlText: String) {
        guard let raw = RawValue(sqlText: sqlText) else { return nil }
        self.init(rawValue: raw)
    }
}

extension String: SQLValue {
    /// The string itself.
    public var sqlText: String { self }
    /// Takes the text as it is.
    public init?(sqlText: String) { self = sqlText }
}

extension Bool: SQLValue {
    /// `t` or `f`.
    public var sqlText: String { self ? "t" : "f" }

    /// Reads `t`, `true`, `f` or `false`.
    public init?(sqlText: String) {
        switch sqlText {
        case "t", "true": self = true
        case "f", "false": self = false
        default: return nil
        }
    }
}

extension SQLValue where Self: FixedWidthInteger {
    /// The digits.
    public var sqlText: String { String(self) }
    /// Reads digits; nil if the number does not fit.
    public init?(sqlText: String) { self.init(sqlText, radix: 10) }
}

extension Int: SQLValue {}
extension Int16: SQLValue {}
extension Int32: SQLValue {}
extension Int64: SQLValue {}
extension UInt32: SQLValue {}

extension SQLValue where Self: BinaryFloatingPoint & LosslessStringConvertible {
    /// The shortest digits that mean this number; `NaN`, `Infinity`.
    public var sqlText: String { isInfinite ? (self < 0 ? "-Infinity" : "Infinity") : "\(self)" }

    /// Reads a number, rounded to the nearest of the type as in PostgreSQL; nil if it is too large.
    public init?(sqlText: String) {
        guard let value = Self(sqlText) else { return nil }
        let isNumber = sqlText.utf8.contains {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        }
        if value.isInfinite, isNumber { return nil }
        self = value
    }
}

extension Double: SQLValue {}
extension Float: SQLValue {}
