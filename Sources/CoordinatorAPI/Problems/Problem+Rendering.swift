extension Problem {
    /// The body of the answer.
    func render() -> [UInt8] {
        var writer = JSONWriter()
        write(to: &writer)
        return writer.bytes
    }

    /// Writes the problem as a JSON object, members without a value left out.
    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("type", type.uri)
        writer.member("title", type.title)
        writer.member("status", status)
        writer.member("detail", detail)
        writer.member("instance", instance ?? location)
        writer.member("transaction", transaction)
        writer.member("branch", branch)
        writer.member("participant", participant)
        writer.member("statement", statement)
        writer.member("sqlstate", postgres?.sqlstate)
        writer.member("retryable", isRetryable)
        writer.member("outcome", outcome?.rawValue)
        writer.member("pointer", pointer)
        if !issues.isEmpty {
            writer.name("errors")
            writer.beginArray()
            for issue in issues { issue.write(to: &writer) }
            writer.endArray()
        }
        if let postgres {
            writer.name("postgres")
            postgres.write(to: &writer)
        }
        writer.endObject()
    }
}
