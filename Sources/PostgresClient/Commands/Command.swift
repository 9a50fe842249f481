import EventLoop

/// One statement with its parameters, as the extended protocol sends it: in text, both ways, but for
/// arrays.
package struct Command: Hashable, Sendable {
    /// One SQL statement, with parameters as `$1`, `$2`...
    package let sql: String
    /// The values in text, nil for NULL; the server infers the types.
    package var parameters: [String?]
    /// The values of a command that has arrays only, and no `parameters`.
    private(set) var arrays: [BinaryArray] = []
    /// Whether the statement is prepared under a name and kept for the next time.
    ///
    /// Good for SQL that comes again; not for SQL with literals in it, which would push the others
    /// out, and not needed for commands that have no plan.
    package var isCached: Bool
    /// Whether the statement is only prepared, and its parameters' types come back.
    private(set) var isDescription = false
    /// The number of a fixed statement; see ``fixed(_:)``.
    private(set) var slot: Int?

    /// Makes a command.
    package init(_ sql: String, _ parameters: [String?] = [], cached: Bool = true) {
        self.sql = sql
        self.parameters = parameters
        self.isCached = cached
    }

    /// Makes a command whose text never changes, to be kept as a constant: each call of this function takes
    /// a number that is never given back.
    ///
    /// By that number a connection finds the statement that it has prepared, where it hashes the whole
    /// text of others.
    package static func fixed(_ sql: String) -> Command {
        precondition(!sql.containsNUL, "the text of a fixed statement ends at no NUL")
        var command = Command(sql)
        command.slot = slots.withLock { last in
            defer { last += 1 }
            return last
        }
        return command
    }

    private static let slots = Lock(0)

    /// Begins a transaction with the session's defaults.
    package static let begin = fixed("BEGIN")
    /// Ends a transaction.
    package static let commit = fixed("COMMIT")

    /// The same command with other values.
    package func with(_ parameters: [String?]) -> Command {
        var command = self
        command.parameters = parameters
        return command
    }

    /// The same command with arrays, whose types must be those of its parameters.
    package func with(arrays: [BinaryArray]) -> Command {
        var command = self
        command.arrays = arrays
        return command
    }

    /// Makes a command that runs nothing: it has the server analyse a statement, and its result has the
    /// types that the parameters were given, see ``CommandResult/parameterTypes``.
    package static func describing(_ sql: String, cached: Bool = true) -> Command {
        var command = Command(sql, cached: cached)
        command.isDescription = true
        return command
    }

    /// The same command, prepared for this once.
    package var preparedAnew: Command {
        var command = self
        command.isCached = false
        command.slot = nil
        return command
    }

    /// Whether ``flaw`` has to be looked for; the text of a fixed statement was looked at once.
    var mayHaveFlaw: Bool { slot == nil || !parameters.isEmpty }

    /// What makes it impossible to send, if something does.
    ///
    /// C strings end at a NUL, so that libpq would send the text up to there. PostgreSQL has no
    /// text with a NUL in it; the error is the one it would give.
    package var flaw: ServerMessage? {
        if parameters.count > Int(UInt16.max) {
            return ServerMessage(
                state: .protocolViolation,
                message: "a command has at most 65535 parameters, this one \(parameters.count)")
        }
        if sql.containsNUL || parameters.contains(where: { $0?.containsNUL ?? false }) {
            return ServerMessage(
                state: .characterNotInRepertoire,
                message: "invalid byte sequence for encoding \"UTF8\": 0x00")
        }
        return nil
    }
}

/// How much a call may bring back.
package struct ResultLimits: Hashable, Sendable {
    /// Rows of all commands together.
    package var rowsMax: Int
    /// Bytes of all values, and of the names of their columns, together.
    package var bytesMax: Int
    /// Which commands of the call they are for, counted from 0 over all its segments; nil: all.
    ///
    /// Rows of other commands are not counted, and always come.
    package var commands: Range<Int>?

    /// Makes limits.
    package init(rows: Int, bytes: Int, commands: Range<Int>? = nil) {
        self.rowsMax = rows
        self.bytesMax = bytes
        self.commands = commands
    }
}
