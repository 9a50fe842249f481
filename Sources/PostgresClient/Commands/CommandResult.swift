/// A column of the rows.
package struct Column: Hashable, Sendable {
    /// Its name, not necessarily unique.
    package var name: String
    /// The OID of its type, as in `pg_type`.
    package var typeOID: UInt32
}

/// What a command that ran brought back.
///
/// A value that shares its storage: copying is cheap, and the memory of all rows is freed at once. What
/// ran without columns and rows, as most commands of a branch, has none.
package struct CommandResult: Sendable {
    /// Columns, rows and types; nil if there are none.
    private let storage: ResultStorage?
    /// The command tag, for example `INSERT 0 1`; empty for an empty statement.
    package let tag: String
    /// Errors excluded: what the server remarked while the command ran, oldest first; the last hundred.
    ///
    /// At the end of a segment outside a transaction the server commits; what it remarks then
    /// is found at the segment's last command.
    package internal(set) var notices: [ServerMessage] = []
    /// Whether rows were left out because the limits of the call were reached.
    package internal(set) var isTruncated = false

    /// Whether what the command committed or prepared may be on no standby yet, although one is to have
    /// it: the wait for it was cancelled, which is a success with a warning.
    package var isUnconfirmed: Bool { notices.contains(where: \.isCancelledStandbyWait) }

    init(tag: String, storage: ResultStorage?) {
        self.tag = tag
        self.storage = storage
    }

    /// The OIDs of the types that the server gave a described statement's parameters; else empty.
    package var parameterTypes: [UInt32] { storage?.parameterTypes ?? [] }
    /// The columns; empty for a command that returns no rows.
    package var columns: [Column] { storage?.columns ?? [] }
    /// How many columns there are.
    package var columnCount: Int { storage?.columnCount ?? 0 }
    /// The OID of a column's type; its number counts from 0 and must exist.
    package func typeOID(column: Int) -> UInt32 {
        precondition(column >= 0 && column < columnCount, "no such column")
        return storage?.typeOID(column: column) ?? 0
    }
    /// The bytes of all values here.
    package var byteCount: Int {
        (0..<rowCount).reduce(0) { sum, row in
            (0..<columnCount).reduce(sum) { sum, column in
                sum + (unsafe withBytes(row: row, column: column) { $0.count } ?? 0)
            }
        }
    }
    /// How many rows are here.
    package var rowCount: Int { storage?.rowCount ?? 0 }
    /// How many rows the command says to have touched or returned; nil if it is not of that kind.
    package var affectedRows: Int? { CommandTag.affectedRows(tag) }

    /// A value as text; nil if it is NULL.
    ///
    /// Both numbers count from 0 and must exist.
    package func text(row: Int, column: Int) -> String? {
        unsafe withBytes(row: row, column: column) { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// A value as a whole number, read where it lies; nil if it is NULL, or no such number.
    ///
    /// Both numbers count from 0 and must exist.
    package func unsigned(row: Int, column: Int) -> UInt64? {
        unsafe withBytes(row: row, column: column) { unsafe Self.unsigned($0) } ?? nil
    }

    private static func unsigned(_ digits: UnsafeRawBufferPointer) -> UInt64? {
        var value: UInt64 = 0
        for index in digits.indices {
            let digit = unsafe digits[index] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, sumOverflow) = product.addingReportingOverflow(UInt64(digit))
            if overflow || sumOverflow { return nil }
            value = sum
        }
        return unsafe digits.isEmpty ? nil : value
    }

    /// Hands the bytes of a value, which are UTF-8, to a body; nil if it is NULL.
    ///
    /// Both numbers count from 0 and must exist. The bytes must not be used after the body returns.
    package func withBytes<Result>(
        row: Int, column: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result? {
        precondition(row >= 0 && row < rowCount, "no such row")
        precondition(column >= 0 && column < columnCount, "no such column")
        return try unsafe storage?.withBytes(row: row, column: column, body) ?? nil
    }
}
