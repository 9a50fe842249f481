import CLibpq
import Glibc

/// The memory behind a result: libpq's own, or rows copied out of it one by one.
///
/// `@unchecked Sendable` is safe because nothing changes after the initializer, and libpq allows
/// any number of threads to read one PGresult.
@safe
final class ResultStorage: @unchecked Sendable {
    /// All rows, or only columns if `rows` is there.
    private let result: OpaquePointer
    private let rows: CollectedRows?

    /// Takes a PGresult over, to be freed with this object.
    init(taking result: OpaquePointer, rows: CollectedRows? = nil) {
        unsafe self.result = result
        self.rows = rows
    }

    deinit {
        unsafe PQclear(result)
    }

    var parameterTypes: [UInt32] { unsafe Self.parameterTypes(of: result) }

    static func parameterTypes(of result: OpaquePointer) -> [UInt32] {
        unsafe (0..<PQnparams(result)).map { unsafe PQparamtype(result, $0) }
    }

    var columnCount: Int { Int(unsafe PQnfields(result)) }

    func typeOID(column: Int) -> UInt32 { unsafe PQftype(result, Int32(column)) }

    var columns: [Column] {
        unsafe (0..<PQnfields(result)).map { index in
            let name = unsafe PQfname(result, index).map {
                unsafe ServerText.string($0, max: ServerText.nameBytesMax)
            }
            return Column(name: name ?? "", typeOID: unsafe PQftype(result, index))
        }
    }

    var rowCount: Int { rows?.count ?? Int(unsafe PQntuples(result)) }

    func withBytes<Result>(
        row: Int, column: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result? {
        if let rows {
            return try unsafe rows.withBytes(cell: row * columnCount + column, body)
        }
        let (row, column) = (Int32(row), Int32(column))
        if unsafe PQgetisnull(result, row, column) == 1 { return nil }
        return try unsafe body(
            UnsafeRawBufferPointer(
                start: PQgetvalue(result, row, column),
                count: Int(PQgetlength(result, row, column))))
    }
}

/// Rows that came one at a time, in one buffer: libpq would spend a kilobyte on each.
struct CollectedRows: Sendable {
    private(set) var count = 0
    private var bytes: [UInt8] = []
    /// Where each value starts and how long it is; -1 for NULL.
    private var cells: [(start: Int, length: Int)] = []

    /// The bytes of the values of a one-row PGresult.
    static func byteCount(of row: OpaquePointer) -> Int {
        unsafe (0..<PQnfields(row)).reduce(0) { unsafe $0 + Int(PQgetlength(row, 0, $1)) }
    }

    /// The bytes of the columns' names.
    static func nameByteCount(of result: OpaquePointer) -> Int {
        unsafe (0..<PQnfields(result)).reduce(0) { count, column in
            unsafe count + (PQfname(result, column).map { unsafe strlen($0) } ?? 0)
        }
    }

    /// Copies the row of a one-row PGresult.
    mutating func append(_ row: OpaquePointer) {
        for column in unsafe 0..<PQnfields(row) {
            if unsafe PQgetisnull(row, 0, column) == 1 {
                cells.append((bytes.count, -1))
            } else {
                let length = Int(unsafe PQgetlength(row, 0, column))
                cells.append((bytes.count, length))
                unsafe bytes.append(
                    contentsOf: UnsafeRawBufferPointer(
                        start: PQgetvalue(row, 0, column), count: length))
            }
        }
        count += 1
    }

    func withBytes<Result>(
        cell: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result? {
        let (start, length) = cells[cell]
        guard length >= 0 else { return nil }
        return try unsafe bytes.withUnsafeBytes { all in
            try unsafe body(UnsafeRawBufferPointer(rebasing: all[start..<start + length]))
        }
    }
}
