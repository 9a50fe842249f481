extension String {
    /// The text as an SQL literal, for the commands that take no parameters.
    ///
    /// It is for names of our own making, which hold no backslash; nearly none holds a quote either.
    var quotedLiteral: String {
        guard utf8.contains(UInt8(ascii: "'")) else { return "'\(self)'" }
        return "'\(replacing("'", with: "''"))'"
    }
}
