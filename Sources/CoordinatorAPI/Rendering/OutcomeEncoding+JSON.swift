import CommitProtocol
public import TransactionEngine

extension OutcomeEncoding {
    /// Results and problems as this interface shows them.
    public static let json = OutcomeEncoding(
        results: { branches in
            // A line a branch: JSON text holds no raw line feed, so lines can be told apart again.
            var bytes: [UInt8] = []
            for (index, statements) in branches.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: "\n")) }
                bytes.append(contentsOf: ResultRendering.statements(statements))
            }
            return bytes
        },
        problem: { record, cause, failure in
            Problem(record, cause, failure).render()
        })
}

/// Statement results as JSON.
enum ResultRendering {
    static func statements(_ results: [StatementResult]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginArray()
        for result in results {
            let columns = result.columns.map {
                ResultColumn(name: $0.name, typeOID: $0.typeOID, elements: $0.elements)
            }
            writer.beginObject()
            writer.member("command", result.command)
            writer.name("affectedRows")
            if let count = result.affectedRows { writer.integer(count) } else { writer.null() }
            writer.name("columns")
            writer.beginArray()
            for column in columns {
                writer.beginObject()
                writer.member("name", column.name)
                writer.member("type", PostgresTypeName.name(of: column))
                writer.endObject()
            }
            writer.endArray()
            writer.name("rows")
            rows(result, columns, &writer)
            writer.endObject()
        }
        writer.endArray()
        return writer.bytes
    }

    private static func rows(
        _ result: StatementResult, _ columns: [ResultColumn], _ writer: inout JSONWriter
    ) {
        var rows = ResultRowWriter(columns)
        writer.beginArray()
        for row in result.rows {
            rows.beginRow(&writer)
            for cell in row { rows.cell(cell.map { Array($0.utf8) }, &writer) }
            rows.endRow(&writer)
        }
        writer.endArray()
    }
}
