/// Statements that were prepared before something they name was altered.
///
/// PostgreSQL analyses a kept statement again when a table, a type or the search path has changed; but the
/// columns of its result have to stay, and its parameters keep the types of the day on which it was
/// prepared. So a statement may fail that would not, were it prepared now.
extension PostgresConnection {
    /// The segment that was sent last: what is prepared from now on has a higher number.
    public var lastSegment: UInt64 { segmentNumber }

    /// Whether the failure among these replies may be that of a statement prepared before a segment, so
    /// that the same commands may succeed when all of them are prepared anew.
    ///
    /// Where the error leaves it open, the statements are analysed once more and their parameters' types
    /// compared: nothing runs twice on suspicion. Nothing may be under way, and no failed transaction open.
    ///
    /// - Parameters:
    ///   - replies: one for each of the commands, in order.
    public func isOutdated(
        _ commands: [Command], _ replies: [CommandReply], before segment: UInt64
    ) async -> Bool {
        guard let index = replies.firstIndex(where: { $0.error != nil }), index < commands.count,
            let message = replies[index].error
        else { return false }
        if message.forgotStatement { return true }
        // What a function raises, it raises of its own accord.
        guard message.state.mayComeOfTypes, message.routine != "exec_stmt_raise" else {
            return false
        }
        var kept: [String: [UInt32]] = [:]
        for command in commands[..<index] where !command.parameters.isEmpty {
            guard let statement = statements.confirmed(command.sql), statement.segment <= segment
            else { continue }
            kept[command.sql] = statement.parameterTypes
        }
        // It may be forgotten by now, and so it is not looked for.
        if let types = message.keptParameterTypes, !types.isEmpty {
            kept[commands[index].sql] = types
        }
        if kept.isEmpty { return false }
        let order = Array(kept.keys)
        guard
            // A table may be locked, by the migration itself perhaps; nobody waits for that.
            let found = try? await execute(
                order.map { [Command.describing($0, cached: false)] }, timeout: .seconds(1))
        else { return false }
        var isOutdated = false
        for (sql, replies) in zip(order, found) {
            if let result = replies[0].result {
                guard result.parameterTypes != kept[sql] else { continue }
            } else if message.state.class != "22" {
                // What the branch itself makes or sets is not there now, and nothing can be compared;
                // a value that does not fit is worth a second run then.
                continue
            }
            isOutdated = true
            forgetStatement(sql)
        }
        return isOutdated
    }

    /// Has statements prepared anew when they are sent the next time.
    public func forgetStatements(_ commands: some Sequence<Command>) {
        for command in commands { forgetStatement(command.sql) }
    }

    private func forgetStatement(_ sql: String) {
        if let statement = statements.confirmed(sql) { statements.retire(statement) }
    }

    /// Has every statement prepared anew, and clears the session of those that it has.
    public func forgetAllStatements() {
        statements.suspect()
    }
}

extension SQLState {
    /// Whether a value that was read as of another type could be the cause: nothing that other sessions,
    /// the server's resources or an operator do.
    fileprivate var mayComeOfTypes: Bool {
        !["08", "25", "40", "53", "54", "55", "57", "58"].contains(self.class)
    }
}

extension ServerMessage {
    /// Whether a statement that had been prepared well failed before it ran, because of what has been
    /// altered since.
    ///
    /// - An error that names a place in the text is one of its analysis: a column, a function or an
    ///   operator is gone, or a value in the text does not fit any more.
    /// - `RevalidateCachedQuery` finds that the result would have other columns.
    /// - Internal errors are mostly of objects that were dropped: "cache lookup failed for type 16412". So are
    ///   those of class 42 by which PostgreSQL says that an OID means nothing; rights, policies and what
    ///   functions raise have codes of this class as well, and then the statement has run, perhaps for
    ///   long.
    var showsOutdatedStatement: Bool {
        if routine == "RevalidateCachedQuery" || position != nil { return true }
        if isOfInnerQuery || routine == "exec_stmt_raise" { return false }
        if state == .internalError { return true }
        return state.class == "42" && state != .insufficientPrivilege
            && routine.map(Self.lookups.contains) ?? false
    }

    /// Functions in PostgreSQL's source that are given an OID and find nothing.
    private static let lookups: Set<String> = [
        "lookup_type_cache", "getTypeInputInfo", "getTypeOutputInfo", "getTypeBinaryInputInfo",
        "getTypeBinaryOutputInfo", "format_type_extended", "lookup_rowtype_tupdesc_internal",
        "relation_open", "try_relation_open", "fmgr_info_cxt_security", "object_aclcheck",
        "object_aclcheck_ext", "object_aclmask_ext", "pg_proc_aclmask", "pg_type_aclmask",
        "pg_class_aclmask", "pg_class_aclmask_ext", "pg_namespace_aclmask", "pg_attribute_aclmask",
        "pg_attribute_aclmask_ext", "pg_language_aclmask", "getBaseTypeAndTypmod",
    ]
}
