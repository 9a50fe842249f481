import FoundationEssentials

/// Decodes a row: a keyed type by column names, a single value or a JSON list from the only column.
struct RowDecoder: Decoder {
    let row: Row
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(
        keyedBy type: Key.Type
    ) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(RowContainer(row: row))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard row.cells.count == 1 else {
            throw BranchError(
                .unreadableValue, "expected one column for a list, got \(row.cells.count)")
        }
        return try CellContainer(cell: row.cells[0], name: row.columns[0]).list()
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer {
        guard row.cells.count == 1 else {
            throw BranchError(
                .unreadableValue, "expected one column for a value, got \(row.cells.count)")
        }
        return CellContainer(cell: row.cells[0], name: row.columns[0])
    }
}

/// The columns of a row as keys.
private struct RowContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let row: Row
    var codingPath: [any CodingKey] { [] }
    var allKeys: [Key] { row.columns.compactMap { Key(stringValue: $0) } }

    func contains(_ key: Key) -> Bool { row.columns.contains(key.stringValue) }

    func decodeNil(forKey key: Key) throws -> Bool { try cell(key).decodeNil() }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        try cell(key).decode(type)
    }

    private func cell(_ key: Key) throws -> CellContainer {
        guard let column = row.columns.firstIndex(of: key.stringValue) else {
            throw BranchError(.unreadableValue, "the row has no column \"\(key.stringValue)\"")
        }
        return CellContainer(cell: row.cells[column], name: key.stringValue)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
        throw BranchError(.unreadableValue, "a column holds one value")
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        throw BranchError(.unreadableValue, "a column holds one value")
    }

    func superDecoder() throws -> any Decoder { RowDecoder(row: row) }

    func superDecoder(forKey key: Key) throws -> any Decoder { RowDecoder(row: row) }
}

/// One value of a row.
///
/// A type that is not an ``SQLColumn`` is decoded from JSON, as in a column of type `jsonb`.
private struct CellContainer: SingleValueDecodingContainer {
    let cell: String?
    let name: String
    var codingPath: [any CodingKey] { [] }

    func decodeNil() -> Bool { cell == nil }

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        if let known = type as? any SQLColumn.Type {
            guard let value = known.read(column: cell) as? Value else { throw mismatch(type) }
            return value
        }
        guard let cell else { throw mismatch(type) }
        if let value = try? Value(from: Scalar(cell: self)) { return value }
        do {
            return try JSONDecoder().decode(type, from: Data(cell.utf8))
        } catch {
            throw mismatch(type)
        }
    }

    /// The value as a JSON list.
    func list() throws -> any UnkeyedDecodingContainer {
        guard let cell, let list = try? JSONDecoder().decode(List.self, from: Data(cell.utf8))
        else { throw mismatch([Any].self) }
        return list.container
    }

    private struct List: Decodable {
        let container: any UnkeyedDecodingContainer

        init(from decoder: any Decoder) throws { container = try decoder.unkeyedContainer() }
    }

    private func mismatch(_ type: Any.Type) -> BranchError {
        let found = cell == nil ? "NULL" : "a value"
        return BranchError(
            .unreadableValue, "\(found) in column \"\(name)\" cannot be read as \(type)")
    }

    /// Decodes types that wrap a single value, such as an enumeration with raw values.
    private struct Scalar: Decoder {
        let cell: CellContainer
        var codingPath: [any CodingKey] { [] }
        var userInfo: [CodingUserInfoKey: Any] { [:] }

        func container<Key: CodingKey>(
            keyedBy type: Key.Type
        ) throws -> KeyedDecodingContainer<Key> { throw cell.mismatch(type) }

        func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
            throw cell.mismatch([Any].self)
        }

        func singleValueContainer() throws -> any SingleValueDecodingContainer {
            Single(cell: cell)
        }
    }

    /// A single SQL value, or one that is wrapped again.
    private struct Single: SingleValueDecodingContainer {
        let cell: CellContainer
        var codingPath: [any CodingKey] { [] }

        func decodeNil() -> Bool { cell.decodeNil() }

        func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
            guard let known = type as? any SQLColumn.Type else {
                return try Value(from: Scalar(cell: cell))
            }
            guard let value = known.read(column: cell.cell) as? Value else {
                throw cell.mismatch(type)
            }
            return value
        }
    }
}
