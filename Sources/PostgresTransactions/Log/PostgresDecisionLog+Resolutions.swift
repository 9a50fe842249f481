public import CommitProtocol
import PostgresClient
public import TransactionEngine

extension PostgresDecisionLog {
    /// Records a resolution together with the change that it makes, in one statement: neither is
    /// ever there without the other.
    public func resolve(
        _ record: TransactionRecord, _ resolution: Resolution, _ change: ResolutionChange
    ) async throws(LogUnavailable) -> Bool {
        let branch = record.branches.indices.contains(resolution.branch) ? resolution.branch : 0
        var parameters: [String?] = [
            "\(record.id)", "\(resolution.branch)", record.branches[branch].participant,
            record.branches[branch].gid, resolution.action.rawValue, resolution.actor,
            resolution.reason, resolution.isForced ? "t" : "f", resolution.found,
            record.branches[branch].evidence.map(RowCoding.text(of:)), replica,
            "\(record.id.number)", "\(Int64(bitPattern: record.id.salt))",
        ]
        let changed = Self.change(change, record, &parameters, owner: (replica, "\(epoch)"))
        let result = try await written(
            """
            WITH changed AS (\(changed) RETURNING 1)
            INSERT INTO tandem.resolutions (transaction, branch, participant, gid, action, actor,
                reason, is_forced, found, evidence, replica)
            SELECT $1, $2::integer, $3, $4, $5, $6, $7, $8::boolean, $9, $10, $11 FROM changed
            RETURNING 1
            """, parameters)
        return result.rowCount == 1
    }

    /// The statement that changes the row, if it is still as the record has it.
    private static func change(
        _ change: ResolutionChange, _ record: TransactionRecord, _ parameters: inout [String?],
        owner: (name: String, epoch: String)
    ) -> String {
        func add(_ value: String) -> String {
            parameters.append(value)
            return "$\(parameters.count)"
        }
        let update = "UPDATE tandem.transactions AS t SET resolutions = t.resolutions + 1"
        let isSame = """
            WHERE t.number = $12::bigint AND t.salt = $13::bigint
                AND t.resolutions = \(record.resolutionCount)
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
                    decision_from = CASE WHEN t.delegated OR t.journal IS NOT NULL
                        THEN 'operator' END,
                    state = \(add(decision == .commit ? "committing" : "aborting")) \(isSame)
                    AND t.decision IS NULL
                """
        case .insert(let decision):
            let gids = add(ArrayLiteral.write(record.branches.map(\.gid)))
            let participants = add(ArrayLiteral.write(record.branches.map(\.participant)))
            let none = "array_fill(NULL::text, ARRAY[\(record.branches.count)])"
            return """
                INSERT INTO tandem.transactions AS t (number, salt, principal, isolation,
                    label_names, label_values, owner, epoch, accepted_at, deadline, state,
                    decision, decided_at, participants, gids, votes, evidence, outcomes, retries,
                    errors, resolutions)
                VALUES ($12::bigint, $13::bigint, '', 'readCommitted', '{}', '{}',
                    \(add(owner.name)), \(add(owner.epoch))::bigint, now(), now(),
                    \(add(decision == .commit ? "committing" : "aborting")),
                    \(add(decision.rawValue)), now(), \(participants)::text[], \(gids)::text[],
                    \(none), \(none), \(none), array_fill(0, ARRAY[\(record.branches.count)]),
                    \(none), 1)
                ON CONFLICT (number) DO NOTHING
                """
        }
    }

    /// The resolutions recorded for this id, oldest first.
    public func resolutions(
        of id: GlobalTransactionID
    ) async throws(LogUnavailable) -> [Resolution] {
        let result = try await rows(
            """
            SELECT branch, action, actor, reason, is_forced, found,
                (extract(epoch FROM at) * 1000000)::bigint
            FROM tandem.resolutions WHERE transaction = $1 ORDER BY number
            """, ["\(id)"])
        return (0..<result.rowCount).compactMap { row in
            func text(_ column: Int) -> String? { result.text(row: row, column: column) }
            guard let branch = text(0).flatMap(Int.init),
                let action = text(1).flatMap(Resolution.Action.init(rawValue:)),
                let actor = text(2), let reason = text(3), let found = text(5),
                let at = text(6).flatMap(Timestamp.init)
            else { return nil }
            var resolution = Resolution(
                branch: branch, action: action, actor: actor, reason: reason,
                isForced: text(4) == "t")
            resolution.found = found
            resolution.at = at
            return resolution
        }
    }
}
