import EventLoop
import PostgresClient
import TransactionEngine

extension HazardReading {
    /// Checks for everything on a server that can undo two-phase commit.
    @LoopActor
    static func examine(
        _ connection: PostgresConnection, as purpose: Diagnostics.Purpose
    ) async throws -> [Diagnosis.Check] {
        let patience = Diagnostics.patience
        let reading = try await read(connection, timeout: patience)
        let jobs =
            purpose == .participant
            ? try await ScheduledJobs.read(reading, on: connection, timeout: patience)
            : ScheduledJobs()
        // Another check reports fsync.
        var checks = reading.hazards(of: purpose, jobs).filter { $0.kind != .fsyncOff }.map {
            hazard in
            let detail = "\(hazard.cause): \(hazard.remedy)"
            return hazard.kind.undoesCommits
                ? Diagnosis.Check.failing(hazard.kind.rawValue, detail)
                : .warning(hazard.kind.rawValue, detail)
        }
        if let uncertainty = jobs.uncertainty {
            checks.append(.warning("scheduledJob", uncertainty))
        }
        if checks.isEmpty {
            checks.append(
                .ok("hazards", "Nothing was found there that undoes two-phase commit."))
        }
        checks.append(
            .ok(
                "wraparound",
                "\(reading.transactionIDsLeft) transaction ids are left before it refuses to write."
            ))
        checks.append(try await timeouts(connection))
        return checks
    }

    private static let overridden = Query<String>(
        """
        SELECT string_agg(DISTINCT setting, ', ')
        FROM pg_db_role_setting AS s, unnest(s.setconfig) AS setting
        WHERE setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user))
            AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
            AND split_part(setting, '=', 1) IN ('statement_timeout', 'lock_timeout',
                'idle_in_transaction_session_timeout', 'idle_session_timeout',
                'transaction_timeout', 'synchronous_commit')
        """
    ) { $0.text() }

    /// Names what would end sessions or commits too soon if tandem's sessions did not override it.
    @LoopActor
    private static func timeouts(
        _ connection: PostgresConnection
    ) async throws -> Diagnosis.Check {
        let found = try await connection.row(overridden, timeout: Diagnostics.patience)
        return .ok(
            "timeouts",
            found.map {
                "Role or database have \($0), which tandem's sessions override; other programs "
                    + "keep it."
            } ?? "Neither role nor database have timeouts of their own.")
    }
}

extension ExcessRights {
    private struct Answer: Sendable {
        let role: String
        let excess: ExcessRights?
    }

    private static let query = Query<Answer>(
        "SELECT session_user, \(columns.joined(separator: ", "))"
    ) { row in
        let role = row.text() ?? ""
        return Answer(
            role: role,
            excess: ExcessRights(role: role, rights: row.list(), remedies: row.list()))
    }

    /// Checks that the role has no right that tandem refuses, or that it is allowed to.
    @LoopActor
    static func examine(
        _ connection: PostgresConnection, isAllowed: Bool
    ) async throws -> Diagnosis.Check {
        guard let answer = try await connection.row(query, timeout: Diagnostics.patience) else {
            throw SessionRefusal.unreadable
        }
        guard let excess = answer.excess else {
            return .ok("role", "\(answer.role) has no right that reaches beyond the database.")
        }
        let sentence = "SQL can do more than in its database: \(excess.sentence)"
        return isAllowed
            ? .warning("role", "\(sentence). The configuration allows it.")
            : .failing("role", "\(sentence); or set allowPrivilegedRole: true.")
    }
}
