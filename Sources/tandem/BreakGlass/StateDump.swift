import CoordinatorAPI
import Foundation
import Glibc

/// Reads a plain dump of schema `tandem`, line by line, since it may have millions of finished rows.
enum StateDump {
    /// Reads the file, or standard input for `-`.
    static func read(_ path: String) throws(CommandFailure) -> StateSnapshot {
        let file = path == "-" ? fdopen(dup(STDIN_FILENO), "r") : fopen(path, "r")
        guard let file else {
            throw CommandFailure(.usage, "The file \(path) cannot be read.")
        }
        defer { fclose(file) }
        var buffer: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(buffer) }
        return try read(source: source(of: path)) {
            let count = getline(&buffer, &capacity, file)
            guard count >= 0, let buffer else { return nil }
            let bytes = UnsafeRawBufferPointer(start: buffer, count: count)
            return String(decoding: bytes.last == 10 ? bytes.dropLast() : bytes[...], as: UTF8.self)
        }
    }

    private static func source(of path: String) -> String {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        guard let written = attributes?[.modificationDate] as? Date else {
            return "a dump on standard input"
        }
        let time = clockTime(
            .string(Moment(microseconds: Int64(written.timeIntervalSince1970 * 1e6)).before(.zero)))
        return "the dump \(path), a file last written \(time ?? "?")"
    }

    /// Reads the lines of a dump; nil ends them.
    static func read(
        source: String, lines next: () -> String?
    ) throws(CommandFailure) -> StateSnapshot {
        var tables = StateTables()
        var isFirst = true
        var isComplete = false
        while let line = next() {
            if isFirst, line.hasPrefix("PGDMP") { throw archive }
            isFirst = false
            if line == "-- PostgreSQL database dump complete"
                || line == "-- PostgreSQL database cluster dump complete"
            {
                isComplete = true
            }
            if line.hasPrefix("INSERT INTO tandem.") { throw inserts }
            guard line.hasPrefix("COPY tandem."), let (table, columns) = try head(line) else {
                continue
            }
            guard tables.missing.contains(table) else {
                throw CommandFailure(
                    .usage,
                    "Expected one dump, got the data of tandem.\(table.rawValue) twice. Nothing is "
                        + "printed, since only one of them can be the newest.")
            }
            tables.begin(table)
            var isEnded = false
            while let row = next() {
                if row == "\\." {
                    isEnded = true
                    break
                }
                tables.add(try fields(of: row, columns, table), to: table)
            }
            guard isEnded else { throw incomplete }
        }
        guard isComplete else { throw incomplete }
        guard tables.missing.isEmpty else {
            let names = tables.missing.map { "tandem.\($0.rawValue)" }.joined(separator: ", ")
            throw CommandFailure(
                .usage,
                "Expected a dump with the data of \(names). Make it with pg_dump --schema=tandem.")
        }
        return try StateSnapshot(tables, source: source)
    }

    private static let archive = CommandFailure(
        .usage,
        "Expected a plain dump, got an archive. Pass it on as text: pg_restore -f - FILE | tandem "
            + "break-glass --state-dump -")
    private static let inserts = CommandFailure(
        .usage, "Expected a dump with COPY, got INSERT. Make it without --inserts.")
    private static let incomplete = CommandFailure(
        .usage,
        "The dump is not complete: it lacks its last lines. Transactions would be missing here, so "
            + "nothing is printed.")

    /// The table and the columns of `COPY tandem.name (column, ...) FROM stdin;`; nil for others.
    private static func head(
        _ line: String
    ) throws(CommandFailure) -> (StateTables.Table, [String])? {
        let rest = line.dropFirst("COPY tandem.".count)
        guard let open = rest.firstIndex(of: "("), let close = rest.lastIndex(of: ")"),
            open < close,
            let table = StateTables.Table(
                rawValue: rest[..<open].trimmingCharacters(in: .whitespaces))
        else { return nil }
        let columns = rest[rest.index(after: open)..<close].split(separator: ",").map {
            $0.trimmingCharacters(in: CharacterSet(charactersIn: " \""))
        }
        let lacking = table.columns.filter { !columns.contains($0) }
        guard lacking.isEmpty else {
            throw CommandFailure(
                .usage,
                "tandem.\(table.rawValue) has no column \(lacking.joined(separator: ", ")): the schema "
                    + "is of another version. Use the program that wrote it.")
        }
        return (table, columns)
    }

    private static func fields(
        of line: String, _ columns: [String], _ table: StateTables.Table
    ) throws(CommandFailure) -> StateTables.Row {
        let parts = line.utf8.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
        guard parts.count == columns.count else {
            throw CommandFailure(
                .usage,
                "Expected \(columns.count) values in a row of tandem.\(table.rawValue), got "
                    + "\(parts.count). Is the dump damaged?")
        }
        var values: [String: String] = [:]
        for (column, part) in zip(columns, parts) where table.columns.contains(column) {
            values[column] = unescaped(part)
        }
        return StateTables.Row(values: values)
    }

    /// The text of a value of COPY; nil for NULL.
    static func unescaped(_ value: some Collection<UInt8>) -> String? {
        if value.elementsEqual("\\N".utf8) { return nil }
        var bytes: [UInt8] = []
        var iterator = value.makeIterator()
        while let byte = iterator.next() {
            guard byte == UInt8(ascii: "\\"), let escaped = iterator.next() else {
                bytes.append(byte)
                continue
            }
            switch escaped {
            case UInt8(ascii: "b"): bytes.append(8)
            case UInt8(ascii: "f"): bytes.append(12)
            case UInt8(ascii: "n"): bytes.append(10)
            case UInt8(ascii: "r"): bytes.append(13)
            case UInt8(ascii: "t"): bytes.append(9)
            case UInt8(ascii: "v"): bytes.append(11)
            default: bytes.append(escaped)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
