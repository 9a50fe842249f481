/// A type that can be read from a column of a row.
///
/// Every ``SQLValue`` conforms, and its optional, for columns that may be NULL.
public protocol SQLColumn: Sendable {
    /// Reads a column's text, nil for NULL; returns nil if the text does not fit the type.
    static func read(column text: String?) -> Self?
}

/// A type for parameters of statements and values of columns; <doc:GettingStarted> lists them all.
///
/// Values travel in PostgreSQL's text form. The server infers the type of each parameter from the
/// statement; a cast such as `$1::jsonb` states it explicitly.
///
/// The server infers types once per session. If a column's type changes, the library notices it by
/// the error that follows. If the old type accepts the text as well (`real` became `double
/// precision`, `timestamp` became `timestamptz`), running programs use the old type until they are
/// restarted.
public protocol SQLValue: SQLColumn {
    /// The value in PostgreSQL's input format.
    var sqlText: String { get }
    /// Reads PostgreSQL's output format; nil if it does not fit the type.
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

    /// Makes the value from its raw value.
    public init?(sqlText: String) {
        guard let raw = RawValue(sqlText: sqlText) else { return nil }
        self.init(rawValue: raw)
    }
}

extension String: SQLValue {
    /// The string itself.
    public var sqlText: String { self }
    /// Makes the string from the text.
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
    /// The shortest digits that identify this number; `NaN`, `Infinity`.
    public var sqlText: String { isInfinite ? (self < 0 ? "-Infinity" : "Infinity") : "\(self)" }

    /// Reads a number and rounds it as PostgreSQL does; nil if it is too large.
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
