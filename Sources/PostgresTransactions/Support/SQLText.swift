extension String {
    /// The text as an SQL literal, for commands that take no parameters.
    ///
    /// It is for names of our own making, which hold no backslash; nearly none holds a quote.
    var quotedLiteral: String {
        guard utf8.contains(UInt8(ascii: "'")) else { return "'\(self)'" }
        return "'\(replacing("'", with: "''"))'"
    }

    /// The text as a quoted SQL identifier.
    var quotedIdentifier: String { "\"\(replacing("\"", with: "\"\""))\"" }
}
