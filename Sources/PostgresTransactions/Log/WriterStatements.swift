import CommitProtocol
import PostgresClient
import TransactionEngine

/// The batched statements of the state writer.
///
/// Each takes arrays, one element a transaction.
///
/// Arrays of a transaction's own (its gids, say) travel as array literals inside text arrays.
enum WriterStatements {
    /// One duplicate key never poisons a batch: who is not returned has lost.
    static func accept(_ records: [TransactionRecord]) -> Command {
        insertion(of: records, asTombstones: false)
    }

    /// Inserts aborted rows; a row that is there is aborted if it is undecided.
    static func tombstone(_ records: [TransactionRecord]) -> Command {
        insertion(of: records, asTombstones: true)
    }

    private static func insertion(
        of records: [TransactionRecord], asTombstones tombstones: Bool
    ) -> Command {
        Command(
            tombstones ? insert + onTombstone : insert + " ON CONFLICT DO NOTHING RETURNING number",
            origin(records) + [
                texts(records.map { _ in tombstones ? "abort" : nil }),
                texts(records.map { tombstones ? "\($0.decidedAt ?? $0.acceptedAt)" : nil }),
                texts(records.map { tombstones ? $0.problem.map(text) : nil }),
                texts(records.map(versions)),
                texts(records.map(commitModes)),
                texts(records.map { $0.journal.map(RowCoding.text(of:)) }),
            ])
    }

    /// What is known when a transaction is accepted.
    static func origin(_ records: [TransactionRecord]) -> [String?] {
        [
            ints(records.map(\.id.number)),
            ints(records.map { Int64(bitPattern: $0.id.salt) }),
            texts(records.map(\.principal)),
            texts(records.map { $0.idempotency.map { RowCoding.hex($0.keyDigest) } }),
            texts(records.map { $0.idempotency.map { RowCoding.hex($0.requestDigest) } }),
            texts(records.map(\.isolation.rawValue)),
            texts(records.map { ArrayLiteral.write($0.labels.map(\.name)) }),
            texts(records.map { ArrayLiteral.write($0.labels.map(\.value)) }),
            texts(records.map(\.owner)),
            ints(records.map(\.epoch)),
            ints(records.map(\.acceptedAt)),
            ints(records.map(\.deadline)),
            texts(records.map { ArrayLiteral.write($0.branches.map(\.participant)) }),
            texts(records.map { ArrayLiteral.write($0.branches.map(\.gid)) }),
        ]
    }

    static func versions(_ record: TransactionRecord) -> String {
        ArrayLiteral.write(record.branches.map { $0.version.map(String.init) })
    }

    /// Nothing where every branch is prepared, as is usual.
    static func commitModes(_ record: TransactionRecord) -> String? {
        guard record.branches.contains(where: { $0.commitMode != .twoPhase }) else { return nil }
        return ArrayLiteral.write(record.branches.map(\.commitMode.rawValue))
    }

    private static let insert = """
        INSERT INTO tandem.transactions AS t (number, salt, principal, key_digest, request_digest,
            isolation, label_names, label_values, owner, epoch, accepted_at, deadline, state,
            participants, gids, votes, evidence, outcomes, retries, errors, decision, decided_at,
            problem, expires_at, versions, commit_modes, journal)
        SELECT n, s, p,
            CASE WHEN dec IS NOT NULL AND EXISTS (SELECT FROM tandem.transactions AS h
                WHERE h.principal = p AND h.key_digest = k::bytea AND h.number <> n)
                THEN NULL ELSE k::bytea END, r::bytea, i, ln::text[], lv::text[], o, e,
            timestamptz 'epoch' + a * interval '1 microsecond',
            timestamptz 'epoch' + d * interval '1 microsecond',
            CASE WHEN dec IS NULL THEN 'preparing' ELSE 'aborting' END, ps::text[], g::text[],
            array_fill(NULL::text, ARRAY[cardinality(g::text[])]),
            array_fill(NULL::text, ARRAY[cardinality(g::text[])]),
            array_fill(NULL::text, ARRAY[cardinality(g::text[])]),
            array_fill(0, ARRAY[cardinality(g::text[])]),
            array_fill(NULL::text, ARRAY[cardinality(g::text[])]),
            dec, timestamptz 'epoch' + da::bigint * interval '1 microsecond', pr,
            now() + (d - a) * interval '1 microsecond', vs::integer[], en::text[], j
        FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
            $7::text[], $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[],
            $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[],
            $19::text[], $20::text[])
            AS x(n, s, p, k, r, i, ln, lv, o, e, a, d, ps, g, dec, da, pr, vs, en, j)
        """

    /// The row that is there is aborted if it is undecided, and is obeyed if it is decided.
    ///
    /// Either way this is a write of one's own, so the answer may be acted on. Where a register decides, it
    /// has to be asked.
    private static let onTombstone = """
         ON CONFLICT (number) DO UPDATE SET
            decision = CASE WHEN \(isHeld) THEN t.decision ELSE excluded.decision END,
            decided_at = CASE WHEN \(isHeld) THEN t.decided_at ELSE excluded.decided_at END,
            state = CASE WHEN \(isHeld) THEN t.state ELSE 'aborting' END,
            problem = CASE WHEN \(isHeld) THEN t.problem ELSE excluded.problem END
            WHERE t.salt = excluded.salt
            RETURNING number, decision, evidence, delegated OR journal IS NOT NULL
        """

    /// Whether the row holds a decision, or is not where one can be made.
    private static let isHeld = "(t.decision IS NOT NULL OR t.delegated OR t.journal IS NOT NULL)"

    /// Compare-and-set and claim in one: an undecided row takes the decision, a decided one keeps
    /// its own, and both are written, so that the decision returned is as durable as this commit.
    static func decide(_ writes: [LogWrite]) -> Command {
        let records = writes.map(\.record)
        return Command(
            """
            UPDATE tandem.transactions AS t SET
                decision = CASE WHEN \(isHeld) THEN t.decision ELSE x.dec END,
                decided_at = CASE WHEN \(isHeld) THEN t.decided_at
                    ELSE timestamptz 'epoch' + x.at * interval '1 microsecond' END,
                state = CASE WHEN \(isHeld) THEN t.state
                    WHEN x.dec = 'commit' THEN 'committing' ELSE 'aborting' END,
                votes = CASE WHEN \(isHeld) THEN t.votes ELSE x.v::text[] END,
                evidence = CASE WHEN \(isHeld) THEN t.evidence ELSE x.ev::text[] END,
                results = CASE WHEN \(isHeld) THEN t.results ELSE x.res END,
                results_omitted = CASE WHEN \(isHeld) THEN t.results_omitted ELSE x.om END,
                problem = CASE WHEN \(isHeld) THEN t.problem ELSE x.pr END
            FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[],
                $6::text[], $7::text[], $8::boolean[], $9::text[])
                AS x(n, s, dec, at, v, ev, res, om, pr)
            WHERE t.number = x.n AND t.salt = x.s
            RETURNING t.number, t.decision, t.evidence, t.delegated OR t.journal IS NOT NULL
            """,
            [
                ints(records.map(\.id.number)),
                ints(records.map { Int64(bitPattern: $0.id.salt) }),
                texts(writes.map(\.decision?.rawValue)),
                ints(records.map { $0.decidedAt ?? $0.acceptedAt }),
                texts(records.map { ArrayLiteral.write($0.branches.map(\.vote?.rawValue)) }),
                texts(
                    records.map {
                        ArrayLiteral.write($0.branches.map { $0.evidence.map(RowCoding.text(of:)) })
                    }),
                texts(records.map { $0.areResultsOmitted ? nil : $0.results.map(text) }),
                ArrayLiteral.write(records.map { $0.areResultsOmitted ? "t" : "f" }),
                texts(records.map { $0.problem.map(text) }),
            ])
    }

    /// Records ends; a row that is finished already keeps what it says.
    static func finish(_ records: [TransactionRecord]) -> Command {
        Command(
            """
            UPDATE tandem.transactions AS t SET state = x.st, outcomes = x.oc::text[],
                retries = x.rt::integer[], errors = x.er::text[],
                finished_at = timestamptz 'epoch' + x.at * interval '1 microsecond'
            FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[],
                $6::text[], $7::bigint[]) AS x(n, s, st, oc, rt, er, at)
            WHERE t.number = x.n AND t.salt = x.s AND t.finished_at IS NULL
                AND t.decision IS NOT NULL
            """,
            [
                ints(records.map(\.id.number)),
                ints(records.map { Int64(bitPattern: $0.id.salt) }),
                texts(records.map(\.state.rawValue)),
                texts(records.map { ArrayLiteral.write($0.branches.map(\.outcome?.rawValue)) }),
                texts(records.map { ArrayLiteral.write($0.branches.map { "\($0.retries)" }) }),
                texts(records.map { ArrayLiteral.write($0.branches.map(\.lastError)) }),
                ints(records.map { $0.finishedAt ?? $0.acceptedAt }),
            ])
    }

    static func ints(_ values: [Int64]) -> String { ArrayLiteral.write(values) }

    static func texts(_ values: [String?]) -> String { ArrayLiteral.write(values) }

    static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
