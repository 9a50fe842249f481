package import TransactionEngine

extension OutcomeEncoding {
    /// Results and problems as this interface shows them.
    package static let json = OutcomeEncoding(
        results: { branches in
            // One line per branch: JSON text holds no raw line feed, so `RecordRendering` can split
            // them again.
            var writer = JSONWriter()
            for (index, results) in branches.enumerated() {
                if index > 0 { writer.endLine() }
                writer.array(results) { $0.write(to: &$1) }
            }
            return writer.bytes
        },
        problem: { record, cause, failure in
            Problem(aborting: record, cause, failure).render()
        })
}

extension StatementResult {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("commandTag", command)
            writer.nullable("rowCount", affectedRows)
            writer.name("columns")
            writer.array(columns) { column, writer in
                writer.object { writer in
                    writer.member("name", column.name)
                    writer.member("type", column.typeName)
                }
            }
            writer.name("rows")
            var row = ResultRowWriter(columns)
            writer.array(rows) { cells, writer in
                row.beginRow(in: &writer)
                for cell in cells { row.cell(cell.map { Array($0.utf8) }, in: &writer) }
                row.endRow(in: &writer)
            }
        }
    }
}
