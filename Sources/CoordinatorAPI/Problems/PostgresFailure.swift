import TransactionEngine

/// What PostgreSQL reported when it refused something.
///
/// Message, detail and context can hold the caller's own values, so callers see them and the log
/// never does.
typealias PostgresFailure = BranchFailure.ServerReport

extension PostgresFailure {
    /// Whether the same statement may succeed later.
    ///
    /// That holds for rollbacks on behalf of other transactions (class 40), lack of resources
    /// (class 53), lock timeouts, and interruption by an administrator or a crash. It does not hold
    /// for `57014`: a statement that takes too long takes too long again.
    var isRetryable: Bool {
        switch sqlState {
        case "55P03", "57P01", "57P02", "57P03": true
        default: sqlState.hasPrefix("40") || sqlState.hasPrefix("53")
        }
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("message", message)
            writer.member("detail", detail)
            writer.member("hint", hint)
            writer.member("position", position)
            writer.member("context", context)
            writer.member("schema", schema)
            writer.member("table", table)
            writer.member("column", column)
            writer.member("constraint", constraint)
        }
    }
}
