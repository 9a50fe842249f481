/// Statements that were prepared before something they name was altered.
///
/// PostgreSQL analyses a kept statement again when a table, a type or the search path has changed. But the
/// columns of its result must stay the same, and its parameters keep the types that they had when it was
/// prepared. So a kept statement may fail that would succeed if it were prepared now.
extension PostgresConnection {
    /// The number of the segment that was sent last; statements prepared later have a higher one.
    package var lastSegment: UInt64 { segmentNumber }

    /// Whether the failure among these replies may come from a statement prepared before a segment, so that
    /// the same commands may succeed when all are prepared anew.
    ///
    /// If the error does not show it, the statements are analysed again and their parameters' types
    /// compared: nothing runs twice on mere suspicion. No command may be under way, and no failed
    /// transaction open.
    ///
    /// - Parameters:
    ///   - replies: one for each of the commands, in order.
    ///   - timeout: after it the connection is closed.
    package func isOutdated(
        _ commands: [Command], _ replies: [CommandReply], before segment: UInt64,
        timeout: Duration = .seconds(1)
    ) async -> Bool {
        guard let index = replies.firstIndex(where: { $0.error != nil }), index < commands.count,
            let message = replies[index].error
        else { return false }
        if message.forgotStatement { return true }
        // An error that a function raises does not come from a prepared statement.
        guard message.state.mayComeOfTypes, message.routine != "exec_stmt_raise" else {
            return false
        }
        var kept: [String: [UInt32]] = [:]
        for command in commands[..<index] where !command.parameters.isEmpty {
            guard let statement = statements.confirmed(command.sql), statement.segment <= segment
            else { continue }
            kept[command.sql] = statement.parameterTypes
        }
        // The failed statement may be forgotten by now, so its types come with the error.
        if let types = message.keptParameterTypes, !types.isEmpty {
            kept[commands[index].sql] = types
        }
        if kept.isEmpty { return false }
        let order = Array(kept.keys)
        guard
            // A table may be locked, perhaps by the migration itself; this does not wait for that.
            let found = try? await execute(
                order.map { [Command.describing($0, cached: false)] }, timeout: timeout)
        else { return false }
        var isOutdated = false
        for (sql, replies) in zip(order, found) {
            if let result = replies[0].result {
                guard result.parameterTypes != kept[sql] else { continue }
            } else if message.state.class != "22" {
                // The branch's own tables and settings are gone now, so nothing can be compared; only a
                // value that does not fit is worth a second run.
                continue
            }
            isOutdated = true
            forgetStatement(sql)
        }
        return isOutdated
    }

    /// Has statements prepared anew when they are sent the next time.
    package func forgetStatements(_ commands: some Sequence<Command>) {
        for command in commands { forgetStatement(command.sql) }
    }

    private func forgetStatement(_ sql: String) {
        if let statement = statements.confirmed(sql) { statements.retire(statement) }
    }

    /// Has every statement prepared anew, and clears the session of those that it has.
    package func forgetAllStatements() {
        statements.suspect()
    }
}

extension SQLState {
    /// Whether a value read as another type could be the cause, and not other sessions, the server's
    /// resources or an operator.
    fileprivate var mayComeOfTypes: Bool {
        !["08", "25", "40", "53", "54", "55", "57", "58"].contains(self.class)
    }
}

extension ServerMessage {
    /// Whether a kept statement failed before it ran, because something was altered after it was prepared.
    ///
    /// - An error with a position in the text comes from its analysis: a column, a function or an operator
    ///   is gone, or a value in the text no longer fits.
    /// - `RevalidateCachedQuery` finds that the result would have other columns.
    /// - Most internal errors are about dropped objects: "cache lookup failed for type 16412". So are errors
    ///   of class 42 from the functions in `lookups`, which find no object for an OID. Rights, policies and
    ///   functions raise codes of this class as well, and then the statement has run, perhaps for long.
    var showsOutdatedStatement: Bool {
        if routine == "RevalidateCachedQuery" || position != nil { return true }
        if isOfInnerQuery || routine == "exec_stmt_raise" { return false }
        if state == .internalError { return true }
        return state.class == "42" && state != .insufficientPrivilege
            && routine.map(Self.lookups.contains) ?? false
    }

    /// Functions in PostgreSQL's source that look up an OID.
    private static let lookups: Set<String> = [
        "lookup_type_cache", "getTypeInputInfo", "getTypeOutputInfo", "getTypeBinaryInputInfo",
        "getTypeBinaryOutputInfo", "format_type_extended", "lookup_rowtype_tupdesc_internal",
        "relation_open", "try_relation_open", "fmgr_info_cxt_security", "object_aclcheck",
        "object_aclcheck_ext", "object_aclmask_ext", "pg_proc_aclmask", "pg_type_aclmask",
        "pg_class_aclmask", "pg_class_aclmask_ext", "pg_namespace_aclmask", "pg_attribute_aclmask",
        "pg_attribute_aclmask_ext", "pg_language_aclmask", "getBaseTypeAndTypmod",
    ]
}
