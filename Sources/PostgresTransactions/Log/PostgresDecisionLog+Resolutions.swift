import CommitProtocol
import PostgresClient
package import TransactionEngine

extension PostgresDecisionLog {
    /// Records a resolution together with the change that it makes, in one statement: neither is
    /// ever there without the other.
    package func resolve(
        _ record: TransactionRecord, by resolution: Resolution, changing change: ResolutionChange
    ) async throws(LogUnavailable) -> Bool {
        let branch = record.branches.indices.contains(resolution.branch) ? resolution.branch : 0
        var parameters: [String?] =
            [
                "\(record.id)", "\(resolution.branch)", record.branches[branch].participant,
                record.branches[branch].gid, resolution.action.rawValue, resolution.actor,
                resolution.reason, resolution.isForced ? "t" : "f", resolution.found,
                record.branches[branch].evidence.map(RowCoding.text(of:)), replica,
                resolution.isOrder ? "t" : "f",
            ] + record.id.parameters
        let changed = statement(for: change, of: record, adding: &parameters)
        let result = try await checked { [parameters] in
            try await state.write(
                """
                WITH changed AS (\(changed) RETURNING 1)
                INSERT INTO tandem.resolutions (transaction, branch, participant, gid, action,
                    actor, reason, forced, found, evidence, replica, is_order)
                SELECT $1, $2::integer, $3, $4, $5, $6, $7, $8::boolean, $9, $10, $11,
                    $12::boolean FROM changed
                RETURNING 1
                """, parameters)
        }
        return result.rowCount == 1
    }

    /// The statement that changes the row, if it is still as `record` has it.
    private func statement(
        for change: ResolutionChange, of record: TransactionRecord,
        adding parameters: inout [String?]
    ) -> String {
        func add(_ value: String) -> String {
            parameters.append(value)
            return "$\(parameters.count)"
        }
        func state(of decision: Decision) -> String {
            add(decision == .commit ? "committing" : "aborting")
        }
        let update =
            "UPDATE tandem.transactions AS t SET resolution_count = t.resolution_count + 1"
        let isSame = """
            WHERE t.number = $13::bigint AND t.salt = $14::bigint
                AND t.resolution_count = \(record.resolutionCount)
            """
        switch change {
        case .note:
            return "\(update) \(isSame)"
        case .outcome(let outcome, let state, let isLast):
            return """
                \(update), outcomes[$2::integer + 1] = \(add(outcome.rawValue)),
                    needs_operator_since = CASE WHEN \(add(isLast ? "t" : "f"))::boolean
                        THEN NULL ELSE t.needs_operator_since END,
                    state = \(add(state.rawValue)) \(isSame) AND t.finished_at IS NOT NULL
                """
        case .decision(let decision):
            return """
                \(update), decision = \(add(decision.rawValue)), decided_at = now(),
                    decision_from = CASE WHEN t.delegated OR t.journal_server IS NOT NULL
                        THEN 'operator' END,
                    state = \(state(of: decision)) \(isSame)
                    AND t.decision IS NULL
                """
        case .insert(let decision):
            let gids = add(ArrayLiteral.write(record.branches.map(\.gid)))
            let participants = add(ArrayLiteral.write(record.branches.map(\.participant)))
            return """
                INSERT INTO tandem.transactions AS t (number, salt, principal, isolation,
                    label_names, label_values, owner, epoch, accepted_at, deadline, state,
                    decision, decided_at, participants, gids, resolution_count)
                VALUES ($13::bigint, $14::bigint, '', 'readCommitted', '{}', '{}',
                    \(add(replica)), \(add("\(epoch)"))::bigint, now(), now(),
                    \(state(of: decision)),
                    \(add(decision.rawValue)), now(), \(participants)::text[], \(gids)::text[], 1)
                ON CONFLICT (number) DO NOTHING
                """
        }
    }
}
