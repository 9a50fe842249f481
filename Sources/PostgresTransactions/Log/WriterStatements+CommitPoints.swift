import CommitProtocol
import PostgresClient
import TransactionEngine

/// The batched statements about transactions that are decided in a participant.
extension WriterStatements {
    /// Says that the one-phase branch decides, unless something is decided.
    static func delegate(_ records: [TransactionRecord]) -> Command {
        Command(
            """
            UPDATE tandem.transactions AS t SET
                delegated = t.delegated OR t.decision IS NULL,
                votes = CASE WHEN t.decision IS NULL THEN x.v::text[] ELSE t.votes END,
                evidence = CASE WHEN t.decision IS NULL THEN x.ev::text[] ELSE t.evidence END,
                results = CASE WHEN t.decision IS NULL THEN x.res ELSE t.results END,
                results_omitted = CASE WHEN t.decision IS NULL THEN x.om ELSE t.results_omitted END
            FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[],
                $6::boolean[]) AS x(n, s, v, ev, res, om)
            WHERE t.number = x.n AND t.salt = x.s
            RETURNING t.number, t.decision, t.evidence, t.delegated
            """,
            [ints(records.map(\.id.number)), salts(records)] + proof(records))
    }

    /// Has rows say what their registers decided; a row that is not there yet is made.
    static func copy(_ writes: [LogWrite]) -> Command {
        let records = writes.map(\.record)
        return Command(
            """
            INSERT INTO tandem.transactions AS t (number, salt, principal, key_digest,
                request_digest, isolation, label_names, label_values, owner, epoch, accepted_at,
                deadline, state, participants, gids, votes, evidence, outcomes, retries, errors,
                decision, decided_at, problem, commit_modes, journal, decision_from, results,
                results_omitted, versions)
            SELECT n, s, p,
                CASE WHEN EXISTS (SELECT FROM tandem.transactions AS h
                    WHERE h.principal = p AND h.key_digest = k::bytea AND h.number <> n)
                    THEN NULL ELSE k::bytea END, r::bytea, i, ln::text[], lv::text[], o, e,
                timestamptz 'epoch' + a * interval '1 microsecond',
                timestamptz 'epoch' + d * interval '1 microsecond',
                CASE dec WHEN 'commit' THEN 'committing' ELSE 'aborting' END, ps::text[], g::text[],
                v::text[], ev::text[],
                array_fill(NULL::text, ARRAY[cardinality(g::text[])]),
                array_fill(0, ARRAY[cardinality(g::text[])]),
                array_fill(NULL::text, ARRAY[cardinality(g::text[])]),
                dec, timestamptz 'epoch' + da * interval '1 microsecond', pr, en::text[], j,
                'commitPoint', res, om, vs::integer[]
            FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[],
                $13::text[], $14::text[], $15::text[], $16::bigint[], $17::text[], $18::text[],
                $19::text[], $20::text[], $21::text[], $22::text[], $23::boolean[],
                $24::text[]) AS x(n, s, p, k, r, i, ln, lv, o, e, a, d, ps, g, dec, da, pr, en, j,
                    v, ev, res, om, vs)
            ON CONFLICT (number) DO UPDATE SET
                decision = coalesce(t.decision, excluded.decision),
                decision_from = CASE WHEN t.decision IS NULL THEN 'commitPoint' ELSE t.decision_from END,
                decided_at = coalesce(t.decided_at, excluded.decided_at),
                state = CASE WHEN t.decision IS NULL THEN excluded.state ELSE t.state END,
                votes = CASE WHEN t.decision IS NULL THEN excluded.votes ELSE t.votes END,
                evidence = CASE WHEN t.decision IS NULL THEN excluded.evidence ELSE t.evidence END,
                results = CASE WHEN t.decision IS NULL THEN excluded.results ELSE t.results END,
                results_omitted = CASE WHEN t.decision IS NULL THEN excluded.results_omitted
                    ELSE t.results_omitted END,
                problem = CASE WHEN t.decision IS NULL THEN excluded.problem ELSE t.problem END
                WHERE t.salt = excluded.salt
            RETURNING number, decision, evidence, false
            """,
            origin(records) + [
                texts(writes.map(\.decision?.rawValue)),
                ints(records.map { $0.decidedAt ?? $0.acceptedAt }),
                texts(records.map { $0.problem.map(text) }), texts(records.map(commitModes)),
                texts(records.map { $0.journal.map(RowCoding.text(of:)) }),
            ] + proof(records) + [texts(records.map(versions))])
    }

    /// Records ends, or outcomes before the end, together with the register's decision, where no copy
    /// of that was made.
    static func settle(_ records: [TransactionRecord], isEnd: Bool = true) -> Command {
        let finishedAt =
            isEnd ? "timestamptz 'epoch' + x.at * interval '1 microsecond'" : "t.finished_at"
        return Command(
            """
            UPDATE tandem.transactions AS t SET state = x.st, outcomes = x.oc::text[],
                retries = x.rt::integer[], errors = x.er::text[], finished_at = \(finishedAt),
                decision = coalesce(t.decision, x.dec),
                decision_from = CASE WHEN t.decision IS NULL THEN 'commitPoint' ELSE t.decision_from END,
                decided_at = coalesce(t.decided_at,
                    timestamptz 'epoch' + x.da * interval '1 microsecond'),
                votes = CASE WHEN t.decision IS NULL THEN x.v::text[] ELSE t.votes END,
                evidence = CASE WHEN t.decision IS NULL THEN x.ev::text[] ELSE t.evidence END,
                results = CASE WHEN t.decision IS NULL THEN x.res ELSE t.results END,
                results_omitted = CASE WHEN t.decision IS NULL THEN x.om ELSE t.results_omitted END
            FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[],
                $6::text[], $7::bigint[], $8::text[], $9::bigint[], $10::text[], $11::text[],
                $12::text[], $13::boolean[])
                AS x(n, s, st, oc, rt, er, at, dec, da, v, ev, res, om)
            WHERE t.number = x.n AND t.salt = x.s AND t.finished_at IS NULL
                AND coalesce(t.decision, x.dec) = x.dec
            """,
            ends(records) + [
                ints(records.map { $0.finishedAt ?? $0.acceptedAt }),
                texts(records.map { $0.decision?.rawValue }),
                ints(records.map { $0.decidedAt ?? $0.acceptedAt }),
            ] + proof(records))
    }

    /// Records that nobody can tell the decision.
    static func report(_ records: [TransactionRecord]) -> Command {
        Command(
            """
            UPDATE tandem.transactions AS t SET state = x.st, outcomes = x.oc::text[],
                retries = x.rt::integer[], errors = x.er::text[]
            FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[],
                $6::text[]) AS x(n, s, st, oc, rt, er)
            WHERE t.number = x.n AND t.salt = x.s AND t.decision IS NULL
            """, ends(records))
    }

    private static func salts(_ records: [TransactionRecord]) -> String {
        ints(records.map { Int64(bitPattern: $0.id.salt) })
    }

    /// Votes, evidence and results.
    private static func proof(_ records: [TransactionRecord]) -> [String?] {
        [
            texts(records.map { ArrayLiteral.write($0.branches.map(\.vote?.rawValue)) }),
            texts(
                records.map {
                    ArrayLiteral.write($0.branches.map { $0.evidence.map(RowCoding.text(of:)) })
                }),
            texts(records.map { $0.areResultsOmitted ? nil : $0.results.map(text) }),
            ArrayLiteral.write(records.map { $0.areResultsOmitted ? "t" : "f" }),
        ]
    }

    /// Id, state, outcomes, retries and errors.
    private static func ends(_ records: [TransactionRecord]) -> [String?] {
        [
            ints(records.map(\.id.number)), salts(records), texts(records.map(\.state.rawValue)),
            texts(records.map { ArrayLiteral.write($0.branches.map(\.outcome?.rawValue)) }),
            texts(records.map { ArrayLiteral.write($0.branches.map { "\($0.retries)" }) }),
            texts(records.map { ArrayLiteral.write($0.branches.map(\.lastError)) }),
        ]
    }
}
