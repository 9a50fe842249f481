import CommitProtocol
import PostgresClient
package import TransactionEngine

/// What operators are notified of by the webhook: each condition once when it opens and once when it is over,
/// whichever replicas see it.
///
/// Transactions and the quarantine are read from the state database, so every replica sees the same of them.
/// The rest is what single replicas see: such an alert has the names of those replicas, and is over once none
/// is left.
package struct AlertTable: Sendable {
    /// What an operator has to look at.
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        /// Only an operator can say how a transaction ended.
        case transactionNeedsOperator = "transaction.needs-operator"
        /// A transaction is undecided long after its deadline.
        case transactionInDoubt = "transaction.in-doubt"
        /// A prepared transaction of a participant is left to an operator.
        case preparedNeedsOperator = "prepared.needs-operator"
        /// A participant does not answer.
        case participantLost = "participant.lost"
        /// The state database's server was replaced, and nothing is aborted because it is absent there.
        case quarantined = "state-database.quarantined"
    }

    /// What this replica sees that others may not see.
    package struct Sighting: Sendable, Hashable {
        package let kind: Kind
        /// The participant, with a gid after a slash.
        package let subject: String
        /// What is wrong, for people.
        package let detail: String
        /// How long it has been so.
        package let age: Duration

        package init(kind: Kind, subject: String, detail: String, age: Duration) {
            self.kind = kind
            self.subject = subject
            self.detail = detail
            self.age = age
        }
    }

    /// An alert that is not over, or that not everything is delivered of.
    package struct Open: Sendable, Hashable {
        package let number: Int64
        let isOver: Bool
        package let kind: Kind
        package let subject: String
        /// The replicas that see it; empty for what the state database says.
        package let seenBy: [String]
    }

    /// A message that is due.
    package struct Message: Sendable, Hashable {
        package let number: Int64
        package let kind: Kind
        package let subject: String
        package let detail: String
        /// When it began.
        package let since: Timestamp
        /// When it was over; nil in the message that it has opened.
        package let resolvedAt: Timestamp?
        /// Counts the attempts to send this message, this one included.
        package let attempt: Int
    }

    /// How alerts are made and kept.
    package struct Limits: Sendable {
        /// From a deadline until its transaction is in doubt for too long.
        package var inDoubt: Duration = .seconds(60)
        /// Alerts of one kind that are open, or not delivered, at once; further ones open as others are over.
        package var openMax = 100
        /// From the first to the last attempt to send a message.
        package var retry: Duration = .seconds(72 * 3600)
        /// How long alerts are kept that are over.
        package var kept: Duration = .seconds(168 * 3600)
        /// From the first attempt to the second, at least; each further pause is twice as long, up to 32 times.
        ///
        /// An attempt has to be over by then, since another replica may make the next one.
        package var pause: Duration = .seconds(20)

        package init() {}
    }

    private let state: StateDatabase
    private let limits: Limits
    private var replica: String { state.replica }

    package init(_ state: StateDatabase, limits: Limits) {
        self.state = state
        self.limits = limits
    }

    // MARK: Opening and resolving

    private static let open = RowFormat { row -> Open? in
        let number = row.value("a.number", as: Int64.self)
        let kind = row.name("a.kind", as: Kind.self)
        let subject = row.text("a.subject")
        let seenBy = row.list("a.seen_by")
        let isOver = row.isTrue("a.resolved_at IS NOT NULL")
        guard let number, let kind, let subject else { return nil }
        return Open(
            number: number, isOver: isOver, kind: kind, subject: subject,
            seenBy: (seenBy ?? []).compactMap(\.self))
    }

    /// The alerts that are not over, or that not everything is delivered of.
    private func open() async throws -> [Open] {
        Self.open.rows(
            of: try await state.read(
                """
                SELECT \(Self.open.columns) FROM tandem.operator_alerts AS a
                WHERE a.resolved_delivered_at IS NULL ORDER BY a.number
                """, []))
    }

    private struct Candidate {
        let kind: Kind
        let number: Int64
        let id: GlobalTransactionID
    }

    private static let candidate = RowFormat { row -> Candidate? in
        let kind = row.name("c.kind", as: Kind.self)
        let number = row.value("c.number", as: Int64.self)
        let id = row.transactionID(number: "c.number", salt: "c.salt")
        guard let kind, let number, let id else { return nil }
        return Candidate(kind: kind, number: number, id: id)
    }

    /// Transactions that need an alert and have none, oldest first; each side reads one small index.
    ///
    /// The parameters are the seconds after a deadline, and how many of each kind there is room for.
    private static let candidates = """
        WITH operators AS (
            SELECT x.number, x.salt FROM tandem.transactions AS x
            WHERE x.needs_operator_since IS NOT NULL AND NOT \(hasAlert(.transactionNeedsOperator))
            ORDER BY x.number LIMIT $2::bigint),
        doubts AS (
            SELECT x.number, x.salt FROM tandem.transactions AS x
            WHERE x.finished_at IS NULL AND \(ListQuery.queue("x")) = 'inDoubt'
                AND x.expires_at <= now() - $1 * interval '1 second'
                AND NOT \(hasAlert(.transactionInDoubt))
            ORDER BY x.number LIMIT $3::bigint)
        SELECT \(candidate.columns) FROM (
            SELECT '\(Kind.transactionNeedsOperator.rawValue)' AS kind, number, salt FROM operators
            UNION ALL
            SELECT '\(Kind.transactionInDoubt.rawValue)', number, salt FROM doubts) AS c
        """

    private static func hasAlert(_ kind: Kind) -> String {
        """
        EXISTS (SELECT FROM tandem.operator_alerts AS a WHERE a.resolved_at IS NULL
            AND a.transaction_number = x.number AND a.kind = '\(kind.rawValue)')
        """
    }

    /// Opens what is new and resolves what is over.
    ///
    /// - Parameters:
    ///   - sightings: what this replica sees now.
    ///   - keeps: whether an alert that this replica has seen, and does not see now, may still be there: it
    ///     cannot look.
    package func update(
        sightings: [Sighting], keeps: @Sendable (Open) -> Bool
    ) async throws {
        let all = try await open()
        let open = all.filter { !$0.isOver }
        // What is over and not delivered takes room, too, so that the table stays small.
        func room(_ kind: Kind) -> Int {
            max(0, limits.openMax - all.count { $0.kind == kind })
        }
        let candidates = Self.candidate.rows(
            of: try await state.read(
                Self.candidates,
                [
                    "\(limits.inDoubt.components.seconds)", "\(room(.transactionNeedsOperator))",
                    "\(room(.transactionInDoubt))",
                ]))
        let seen = Set(sightings.map { [$0.kind.rawValue, $0.subject] })
        let known = Set(open.map { [$0.kind.rawValue, $0.subject] })
        let unknown = sightings.filter { !known.contains([$0.kind.rawValue, $0.subject]) }
        // There are no more participants than the configuration has.
        let new =
            unknown.filter { $0.kind == .participantLost }
            + unknown.filter { $0.kind == .preparedNeedsOperator }
            .prefix(room(.preparedNeedsOperator))
        let joined = open.filter {
            !$0.seenBy.contains(replica) && seen.contains([$0.kind.rawValue, $0.subject])
        }
        let left = open.filter {
            $0.seenBy.contains(replica) && !seen.contains([$0.kind.rawValue, $0.subject])
                && !keeps($0)
        }
        _ = try await state.write(
            [
                // Replicas write the same rows: one after the other, so that they cannot deadlock.
                Command(
                    "SELECT pg_advisory_xact_lock(hashtextextended('tandem.operator_alerts', 0))"),
                opening(candidates), opening(new), Command(Self.openingOfQuarantine),
                Command(
                    """
                    UPDATE tandem.operator_alerts SET seen_by = array_append(seen_by, $1)
                    WHERE number = ANY($3::bigint[]) AND resolved_at IS NULL
                        AND NOT $1 = ANY(seen_by) AND \(Self.isThisIncarnationAlive)
                    """, incarnation + [ArrayLiteral.write(joined.map(\.number))]),
                Command(
                    """
                    UPDATE tandem.operator_alerts SET seen_by = array_remove(seen_by, $1)
                    WHERE number = ANY($3::bigint[]) AND resolved_at IS NULL
                        AND \(Self.isThisIncarnationAlive)
                    """, incarnation + [ArrayLiteral.write(left.map(\.number))]),
                Command(Self.resolution),
            ])
        _ = try await state.write(
            """
            DELETE FROM tandem.operator_alerts
            WHERE resolved_delivered_at < now() - $1 * interval '1 second'
            """, ["\(limits.kept.components.seconds)"])
    }

    /// Takes back what an earlier incarnation of this replica has seen, if this one does not look.
    package func withdraw() async throws {
        _ = try await state.write(
            """
            UPDATE tandem.operator_alerts SET seen_by = array_remove(seen_by, $1)
            WHERE resolved_at IS NULL AND $1 = ANY(seen_by)
            """, [replica])
    }

    private var incarnation: [String] { [replica, "\(state.epoch)"] }

    /// What an incarnation that is over writes would stand against what its successor sees.
    private static let isThisIncarnationAlive = """
        EXISTS (SELECT FROM tandem.replicas AS r
            WHERE r.name = $1 AND r.epoch = $2::bigint AND \(StateDatabase.isAlive))
        """

    private func opening(_ candidates: [Candidate]) -> Command {
        Command(
            """
            INSERT INTO tandem.operator_alerts (kind, subject, transaction_number, since)
            SELECT c.kind, c.subject, t.number, coalesce(t.needs_operator_since, t.expires_at)
            FROM unnest($1::text[], $2::text[], $3::bigint[]) AS c (kind, subject, number)
                JOIN tandem.transactions AS t ON t.number = c.number
            WHERE CASE c.kind WHEN '\(Kind.transactionNeedsOperator.rawValue)'
                THEN t.needs_operator_since IS NOT NULL ELSE \(ListQuery.queue("t")) = 'inDoubt' END
            ON CONFLICT (kind, subject) WHERE resolved_at IS NULL DO NOTHING
            """,
            [
                ArrayLiteral.write(candidates.map(\.kind.rawValue)),
                ArrayLiteral.write(candidates.map(\.id.description)),
                ArrayLiteral.write(candidates.map(\.number)),
            ])
    }

    private func opening(_ sightings: [Sighting]) -> Command {
        Command(
            """
            INSERT INTO tandem.operator_alerts AS a (kind, subject, detail, since, seen_by)
            SELECT s.kind, s.subject, s.detail, now() - s.age * interval '1 second', ARRAY[$1::text]
            FROM unnest($3::text[], $4::text[], $5::text[], $6::bigint[])
                AS s (kind, subject, detail, age)
            WHERE \(Self.isThisIncarnationAlive)
            ON CONFLICT (kind, subject) WHERE resolved_at IS NULL
            DO UPDATE SET seen_by = array_append(a.seen_by, $1) WHERE NOT $1 = ANY(a.seen_by)
            """,
            incarnation + [
                ArrayLiteral.write(sightings.map(\.kind.rawValue)),
                ArrayLiteral.write(sightings.map(\.subject)),
                ArrayLiteral.write(sightings.map(\.detail)),
                ArrayLiteral.write(sightings.map(\.age.components.seconds)),
            ])
    }

    private static let openingOfQuarantine = """
        INSERT INTO tandem.operator_alerts (kind, subject, detail, since)
        SELECT '\(Kind.quarantined.rawValue)', i.id::text, coalesce(i.quarantine_reason, ''),
            coalesce(i.quarantined_at, now())
        FROM tandem.installation AS i WHERE i.quarantined_below > 0
        ON CONFLICT (kind, subject) WHERE resolved_at IS NULL DO NOTHING
        """

    /// An incarnation that has ended sees nothing any more.
    private static let resolution = """
        UPDATE tandem.operator_alerts AS a SET resolved_at = now(),
            attempts = CASE WHEN a.opened_delivered_at IS NULL THEN a.attempts ELSE 0 END,
            next_attempt_at = CASE WHEN a.opened_delivered_at IS NULL THEN a.next_attempt_at ELSE now() END
        WHERE a.resolved_at IS NULL AND NOT CASE a.kind
            WHEN '\(Kind.transactionNeedsOperator.rawValue)' THEN EXISTS (
                SELECT FROM tandem.transactions AS t WHERE t.number = a.transaction_number
                    AND t.needs_operator_since IS NOT NULL)
            WHEN '\(Kind.transactionInDoubt.rawValue)' THEN EXISTS (
                SELECT FROM tandem.transactions AS t WHERE t.number = a.transaction_number
                    AND \(ListQuery.queue("t")) = 'inDoubt')
            WHEN '\(Kind.quarantined.rawValue)' THEN EXISTS (
                SELECT FROM tandem.installation WHERE quarantined_below > 0)
            ELSE EXISTS (SELECT FROM tandem.replicas AS r
                WHERE r.name = ANY(a.seen_by) AND \(StateDatabase.isAlive)) END
        """

    // MARK: Delivering

    private static let message = RowFormat { row -> Message? in
        let number = row.value("a.number", as: Int64.self)
        let kind = row.name("a.kind", as: Kind.self)
        let subject = row.text("a.subject")
        let detail = row.text("a.detail")
        let since = row.time("a.since")
        let resolvedAt = row.time(
            "CASE WHEN a.opened_delivered_at IS NOT NULL THEN a.resolved_at END")
        let attempt = row.value("a.attempts", as: Int.self)
        guard let number, let kind, let subject, let detail, let since, let attempt else {
            return nil
        }
        return Message(
            number: number, kind: kind, subject: subject, detail: detail, since: since,
            resolvedAt: resolvedAt, attempt: attempt)
    }

    /// That a message is to be delivered, whether or not it is due.
    private static let isUndelivered = """
        a.resolved_delivered_at IS NULL AND (a.opened_delivered_at IS NULL OR a.resolved_at IS NOT NULL)
        """

    /// Takes the message that is due for longest; nil if none is.
    ///
    /// Until its next attempt is due, no other replica takes it. The pauses grow, and are jittered.
    package func next() async throws -> Message? {
        Self.message.first(
            of: try await state.write(
                """
                UPDATE tandem.operator_alerts AS a SET attempts = a.attempts + 1,
                    next_attempt_at = now() + (1 + random() / 2) * power(2, least(a.attempts, 5))
                        * $1::float8 * interval '1 second'
                WHERE a.number = (SELECT a.number FROM tandem.operator_alerts AS a
                    WHERE \(Self.isUndelivered) AND a.next_attempt_at <= now()
                    ORDER BY a.next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED)
                RETURNING \(Self.message.columns)
                """,
                ["\(limits.pause.components.seconds)"]))
    }

    /// Records that the receiver has a message.
    package func delivered(_ message: Message) async throws {
        let column = message.resolvedAt == nil ? "opened_delivered_at" : "resolved_delivered_at"
        _ = try await state.write(
            """
            UPDATE tandem.operator_alerts SET \(column) = now(), attempts = 0,
                next_attempt_at = now()
            WHERE number = $1::bigint AND \(column) IS NULL
            """, ["\(message.number)"])
    }

    /// Gives up what could not be delivered for too long; returns how many messages that were.
    package func giveUp() async throws -> Int {
        let result = try await state.write(
            """
            UPDATE tandem.operator_alerts AS a SET opened_delivered_at = coalesce(a.opened_delivered_at, now()),
                resolved_delivered_at = CASE WHEN a.resolved_at IS NOT NULL THEN now() END, attempts = 0
            WHERE \(Self.isUndelivered) AND a.attempts > 0
                AND coalesce(CASE WHEN a.opened_delivered_at IS NOT NULL THEN a.resolved_at END, a.opened_at)
                    < now() - $1 * interval '1 second'
            """, ["\(limits.retry.components.seconds)"])
        return result.affectedRows ?? 0
    }

    private static let undelivered = RowFormat { $0.value("count(*)", as: Int.self) }

    /// How many messages were tried and have not been delivered.
    package func countUndelivered() async throws -> Int {
        Self.undelivered.first(
            of: try await state.read(
                """
                SELECT \(Self.undelivered.columns) FROM tandem.operator_alerts AS a
                WHERE \(Self.isUndelivered) AND a.attempts > 0
                """, [])) ?? 0
    }
}
