import EventLoop

extension String {
    /// A command on the prepared transaction of this name; none takes parameters.
    static func command(_ verb: String, onPrepared gid: String) -> String {
        var sql = ""
        sql.reserveCapacity(verb.utf8.count + gid.utf8.count + 3)
        sql += verb
        sql += " "
        guard gid.mayBeQuotedAsIs else { return sql + gid.quotedLiteral }
        sql += "'"
        sql += gid
        sql += "'"
        return sql
    }

    private var mayBeQuotedAsIs: Bool { !containsByte(UInt8(ascii: "'")) }

    /// The text as an SQL literal, for commands that take no parameters.
    ///
    /// It is for names of our own making, which hold no backslash; nearly none holds a quote.
    var quotedLiteral: String {
        mayBeQuotedAsIs ? "'\(self)'" : "'\(replacing("'", with: "''"))'"
    }

    /// The text as a quoted SQL identifier.
    var quotedIdentifier: String { "\"\(replacing("\"", with: "\"\""))\"" }
}
