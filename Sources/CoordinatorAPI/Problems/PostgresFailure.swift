/// What PostgreSQL said when it refused something, as far as the caller may know it.
///
/// Message, detail and context can hold the caller's own values, and so they are shown to the caller
/// and never logged.
struct PostgresFailure: Hashable, Sendable {
    /// The five characters of SQLSTATE.
    var sqlstate: String
    /// The primary message.
    var message: String
    /// The secondary message.
    var detail: String?
    /// A suggestion of the server.
    var hint: String?
    /// The place in the statement: characters, counted from 1.
    var position: Int?
    /// In which functions it was raised, innermost first.
    var context: String?
    /// The schema of the object concerned.
    var schema: String?
    /// The table concerned.
    var table: String?
    /// The column concerned.
    var column: String?
    /// The constraint that failed.
    var constraint: String?

    /// Makes a failure of its code and message; the rest is optional.
    init(sqlstate: String, message: String) {
        self.sqlstate = sqlstate
        self.message = message
    }

    /// Whether the same statement may succeed later.
    ///
    /// These are rollbacks on behalf of other transactions (class 40), lack of resources (class
    /// 53), locks not got in time, and an administrator's or a crash's interruption. `57014` is not
    /// among them: a statement that takes too long takes too long again.
    var isRetryable: Bool {
        switch sqlstate {
        case "55P03", "57P01", "57P02", "57P03": true
        default: sqlstate.hasPrefix("40") || sqlstate.hasPrefix("53")
        }
    }

    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("message", message)
        writer.member("detail", detail)
        writer.member("hint", hint)
        writer.member("position", position)
        writer.member("context", context)
        writer.member("schema", schema)
        writer.member("table", table)
        writer.member("column", column)
        writer.member("constraint", constraint)
        writer.endObject()
    }
}
