extension Migration {
    /// The schema of the first version; `docs/PROTOCOL.md` says what each column proves.
    static let first = Migration(
        number: 1, name: "first schema",
        statements: installation + replicas + participants + transactions + triggers + resolutions
            + audit + alerts + retention + waitingSessions + comments)

    private static let installation = [
        """
        CREATE TABLE tandem.installation (
            singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            created_at timestamptz NOT NULL DEFAULT now(),
            low_water_mark bigint NOT NULL DEFAULT 0,
            system_identifier text,
            timeline bigint,
            quarantined_below bigint NOT NULL DEFAULT 0,
            quarantine_reason text,
            quarantined_at timestamptz)
        """,
        "INSERT INTO tandem.installation DEFAULT VALUES",
        "CREATE SEQUENCE tandem.transaction_numbers INCREMENT 1000",
    ]

    private static let replicas = [
        """
        CREATE TABLE tandem.replicas (
            name text PRIMARY KEY,
            epoch bigint NOT NULL,
            participants text[] NOT NULL,
            started_at timestamptz NOT NULL DEFAULT now(),
            heartbeat_at timestamptz NOT NULL DEFAULT now(),
            uninterrupted_since timestamptz NOT NULL DEFAULT '-infinity',
            ended boolean NOT NULL DEFAULT false) WITH (fillfactor = 50)
        """
    ]

    private static let participants = [
        """
        CREATE TABLE tandem.participants (
            name text NOT NULL,
            version integer NOT NULL,
            conninfo_digest bytea NOT NULL,
            system_identifier text NOT NULL,
            database text NOT NULL,
            timeline bigint NOT NULL,
            safe_transaction_id numeric NOT NULL,
            first_seen_at timestamptz NOT NULL DEFAULT now(),
            timeline_changed_at timestamptz,
            PRIMARY KEY (name, version),
            UNIQUE (name, conninfo_digest, system_identifier, database))
        """,
        """
        CREATE TABLE tandem.sessions (
            participant text NOT NULL,
            system_identifier text NOT NULL,
            process_id integer NOT NULL,
            backend_start text NOT NULL,
            replica text NOT NULL,
            epoch bigint NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (participant, process_id, backend_start))
        """,
    ]

    /// A row is written three times: at acceptance, at the decision, at the end.
    ///
    /// What does not change comes first, and a third of each page is filled at acceptance. So the next
    /// versions find room on the page of the first one: then the write-ahead log has only what changed,
    /// and the decision touches no index. Columns that nothing is known for are null, which costs
    /// nothing.
    private static let transactions = [
        """
        CREATE TABLE tandem.transactions (
            number bigint PRIMARY KEY,
            salt bigint NOT NULL,
            principal text NOT NULL,
            key_digest bytea,
            request_digest bytea,
            isolation text NOT NULL,
            label_names text[] NOT NULL,
            label_values text[] NOT NULL,
            trace_parent text,
            owner text NOT NULL,
            epoch bigint NOT NULL,
            accepted_at timestamptz NOT NULL,
            deadline timestamptz NOT NULL,
            expires_at timestamptz NOT NULL DEFAULT 'infinity',
            participants text[] NOT NULL,
            gids text[] NOT NULL,
            participant_versions integer[],
            commit_modes text[],
            journal_server text,
            delegated boolean NOT NULL DEFAULT false,
            state text NOT NULL CHECK (state IN ('active', 'preparing', 'committing',
                'aborting', 'committed', 'aborted', 'needsOperator')),
            votes text[],
            evidence text[],
            decision text CHECK (decision IN ('commit', 'abort')),
            decision_from text CHECK (decision_from IN ('commitPoint', 'operator')),
            decided_at timestamptz,
            rollback_requested boolean NOT NULL DEFAULT false,
            outcomes text[],
            retries integer[],
            errors text[],
            finished_at timestamptz,
            results text,
            results_omitted boolean NOT NULL DEFAULT false,
            problem text,
            needs_operator_since timestamptz,
            resolution_count integer NOT NULL DEFAULT 0,
            attempt integer NOT NULL DEFAULT 1,
            retry_of text,
            retried_as text,
            CHECK ((decision IS NULL) = (decided_at IS NULL)),
            CHECK (finished_at IS NULL OR decision IS NOT NULL),
            CHECK (attempt > 0 AND (attempt > 1) = (retry_of IS NOT NULL)),
            CHECK (retried_as IS NULL
                OR (decision IS NOT DISTINCT FROM 'abort' AND key_digest IS NULL)))
            WITH (fillfactor = 35)
        """,
        """
        CREATE UNIQUE INDEX transactions_key ON tandem.transactions (key_digest, principal)
            WHERE key_digest IS NOT NULL
        """,
        """
        CREATE INDEX transactions_unfinished ON tandem.transactions (number)
            WHERE finished_at IS NULL
        """,
        // Its condition holds for nearly no row, and for the same rows before and after nearly every
        // update, so that this index costs updates nothing; one on the state would.
        """
        CREATE INDEX transactions_operator ON tandem.transactions (number)
            WHERE needs_operator_since IS NOT NULL OR resolution_count > 0
        """,
    ]

    /// All but one run after the row is written, and refuse the whole statement all the same: a trigger
    /// that runs before an update has PostgreSQL lock the row first, and log the lock.
    private static let triggers = [
        refusal("refuse_decision_change", "the decision of transaction % cannot change"),
        // `retried_as` is there only with an abort (see the CHECK), so this makes it part of the
        // abort: an abort that stood without a successor never gets one.
        """
        CREATE TRIGGER decision_is_written_once AFTER UPDATE ON tandem.transactions
            FOR EACH ROW WHEN (OLD.decision IS NOT NULL
                AND (NEW.decision IS DISTINCT FROM OLD.decision
                    OR NEW.retried_as IS DISTINCT FROM OLD.retried_as
                    OR NEW.gids IS DISTINCT FROM OLD.gids
                    OR NEW.participants IS DISTINCT FROM OLD.participants))
            EXECUTE FUNCTION tandem.refuse_decision_change()
        """,
        refusal("refuse_decision_elsewhere", "the commit point of transaction % decides it"),
        """
        CREATE TRIGGER commit_point_decides AFTER INSERT OR UPDATE ON tandem.transactions
            FOR EACH ROW WHEN ((NEW.journal_server IS NOT NULL OR NEW.delegated)
                AND NEW.decision IS NOT NULL AND NEW.decision_from IS NULL)
            EXECUTE FUNCTION tandem.refuse_decision_elsewhere()
        """,
        refusal("refuse_commit_point_change", "the commit point of transaction % cannot change"),
        """
        CREATE TRIGGER commit_point_is_fixed AFTER UPDATE ON tandem.transactions
            FOR EACH ROW WHEN (OLD.journal_server IS DISTINCT FROM NEW.journal_server
                OR OLD.commit_modes IS DISTINCT FROM NEW.commit_modes
                OR (OLD.delegated AND NOT NEW.delegated)
                OR (NEW.delegated AND NOT OLD.delegated AND OLD.decision IS NOT NULL))
            EXECUTE FUNCTION tandem.refuse_commit_point_change()
        """,
        refusal(
            "refuse_unfinished_delete",
            "transaction % is not finished, so its row cannot be deleted", row: "OLD"),
        """
        CREATE TRIGGER unfinished_rows_stay BEFORE DELETE ON tandem.transactions
            FOR EACH ROW WHEN (OLD.finished_at IS NULL)
            EXECUTE FUNCTION tandem.refuse_unfinished_delete()
        """,
        // Until there is a resolution for each branch that was not finished as decided.
        """
        CREATE FUNCTION tandem.set_needs_operator_since() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE tandem.transactions SET needs_operator_since = CASE
                WHEN NEW.state = 'needsOperator' AND (NEW.decision IS NULL OR EXISTS (
                    SELECT FROM unnest(NEW.outcomes) WITH ORDINALITY AS o(outcome, place)
                    WHERE o.outcome LIKE 'heuristic%' AND NOT EXISTS (
                        SELECT FROM tandem.resolutions AS r
                        WHERE NOT r.is_order AND r.branch = o.place - 1 AND r.transaction
                            = NEW.number || '-' || lpad(to_hex(NEW.salt), 16, '0'))))
                THEN now() END
            WHERE number = NEW.number;
            RETURN NULL;
        END $$
        """,
        """
        CREATE TRIGGER operator_queue_follows_state AFTER UPDATE ON tandem.transactions
            FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state
                AND 'needsOperator' IN (OLD.state, NEW.state))
            EXECUTE FUNCTION tandem.set_needs_operator_since()
        """,
    ]

    private static let resolutions =
        [
            """
            CREATE TABLE tandem.resolutions (
                number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                transaction text,
                branch integer,
                participant text,
                gid text,
                action text NOT NULL,
                actor text NOT NULL,
                reason text NOT NULL,
                forced boolean NOT NULL DEFAULT false,
                is_order boolean NOT NULL DEFAULT false,
                found text NOT NULL,
                evidence text,
                replica text NOT NULL,
                at timestamptz NOT NULL DEFAULT now())
            """,
            "CREATE INDEX resolutions_transaction ON tandem.resolutions (transaction)",
        ] + onlyAdded(to: "resolutions")

    /// Runs as the owner, so that the role that tandem works as need not be able to delete transactions.
    ///
    /// The oldest numbers go first, and the low-water mark advances in the same transaction: a gid below
    /// the mark without a row proves nothing.
    private static let retention = [
        """
        CREATE FUNCTION tandem.remove_finished(seconds bigint, max_rows integer) RETURNS bigint
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
            WITH old AS MATERIALIZED (
                SELECT number FROM tandem.transactions
                WHERE finished_at < now() - seconds * interval '1 second'
                    AND needs_operator_since IS NULL
                ORDER BY number LIMIT max_rows FOR UPDATE SKIP LOCKED),
            gone AS (
                DELETE FROM tandem.transactions
                WHERE number = ANY (ARRAY(SELECT number FROM old)) RETURNING number),
            mark AS (
                UPDATE tandem.installation SET low_water_mark =
                    greatest(low_water_mark, (SELECT max(number) + 1 FROM old))
                WHERE EXISTS (SELECT FROM old))
            SELECT count(*) FROM gone
        $$
        """,
        "REVOKE ALL ON FUNCTION tandem.remove_finished(bigint, integer) FROM PUBLIC",
    ]

    /// Written only while a transaction of one replica waits for one of another, and not logged: nothing
    /// but speed depends on it.
    private static let waitingSessions = [
        """
        CREATE UNLOGGED TABLE tandem.waiting_sessions (
            system_identifier text NOT NULL,
            server_started_at text NOT NULL,
            process_id integer NOT NULL,
            virtual_transaction text NOT NULL,
            replica text NOT NULL,
            epoch bigint NOT NULL,
            transaction text NOT NULL,
            age text NOT NULL,
            branch integer NOT NULL,
            PRIMARY KEY (system_identifier, server_started_at, process_id, virtual_transaction))
        """,
        """
        DO $$ BEGIN
        COMMENT ON TABLE tandem.waiting_sessions IS
            'The sessions of transactions that wait for locks of other replicas'' transactions, so '
            'that every replica can find deadlocks over several replicas';
        COMMENT ON COLUMN tandem.waiting_sessions.server_started_at IS
            'Distinguishes servers whose data directories were copied from one';
        COMMENT ON COLUMN tandem.waiting_sessions.age IS
            'The id of the request''s first run; the youngest transaction of a deadlock is the victim';
        END $$
        """,
    ]

    /// A trigger function that refuses to change a row of `transactions`; `%` is its number.
    private static func refusal(_ name: String, _ text: String, row: String = "NEW") -> String {
        """
        CREATE FUNCTION tandem.\(name)() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'tandem: \(text)', \(row).number
                USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """
    }

    /// What `\d+` shows to an operator.
    private static let comments = [
        """
        DO $$ BEGIN
        COMMENT ON TABLE tandem.installation IS
            'This installation, and the server that the schema is on';
        COMMENT ON COLUMN tandem.installation.id IS
            'Part of the name of every prepared transaction';
        COMMENT ON COLUMN tandem.installation.low_water_mark IS
            'Retention may have removed the rows of transactions with smaller numbers';
        COMMENT ON COLUMN tandem.installation.quarantined_below IS
            'The server was replaced or restored, so undecided transactions with smaller numbers '
            'wait for an operator; 0 outside quarantine';
        COMMENT ON TABLE tandem.replicas IS
            'One row for each replica name: its latest incarnation';
        COMMENT ON COLUMN tandem.replicas.epoch IS
            'Counts incarnations; every write checks it';
        COMMENT ON COLUMN tandem.replicas.participants IS
            'The participants that the replica knows';
        COMMENT ON COLUMN tandem.replicas.uninterrupted_since IS
            'Since when no heartbeat came late: only a replica that was in touch for a whole lease '
            'may end another incarnation';
        COMMENT ON COLUMN tandem.replicas.ended IS
            'Whether the incarnation is over for good: given up, or ended by another replica';
        COMMENT ON TABLE tandem.participants IS
            'The servers that each participant name has stood for; each is a version';
        COMMENT ON COLUMN tandem.participants.safe_transaction_id IS
            'Prepared transactions with smaller transaction ids are from before a change of server '
            'or timeline; without a row they are left to an operator';
        COMMENT ON TABLE tandem.sessions IS
            'Sessions to participants: recovery ends those of incarnations that are over';
        COMMENT ON TABLE tandem.transactions IS
            'One row for each global transaction';
        COMMENT ON COLUMN tandem.transactions.owner IS
            'The replica that coordinates the transaction';
        COMMENT ON COLUMN tandem.transactions.deadline IS
            'By the clock of the replica that accepted the transaction';
        COMMENT ON COLUMN tandem.transactions.expires_at IS
            'The deadline by the clock of this database';
        COMMENT ON COLUMN tandem.transactions.participant_versions IS
            'The version of the participant of each branch';
        COMMENT ON COLUMN tandem.transactions.commit_modes IS
            'How each branch commits; null if every branch is prepared';
        COMMENT ON COLUMN tandem.transactions.journal_server IS
            'System identifier and timeline of the server whose journal decides; null if none does';
        COMMENT ON COLUMN tandem.transactions.delegated IS
            'Whether the one-phase branch decides';
        COMMENT ON COLUMN tandem.transactions.state IS
            'The state last recorded; the owner may know a later one';
        COMMENT ON COLUMN tandem.transactions.votes IS
            'Null: the branches with evidence voted prepared, the others have not voted';
        COMMENT ON COLUMN tandem.transactions.evidence IS
            'Of each branch at PREPARE: transaction id, system identifier, timeline, position in '
            'the write-ahead log, role; null: none of any';
        COMMENT ON COLUMN tandem.transactions.outcomes IS
            'How each branch was finished; null: none is';
        COMMENT ON COLUMN tandem.transactions.retries IS
            'How often finishing each branch had to be tried again; null: never';
        COMMENT ON COLUMN tandem.transactions.errors IS
            'The last failure met while finishing each branch; null: none';
        COMMENT ON COLUMN tandem.transactions.decision IS
            'Written once';
        COMMENT ON COLUMN tandem.transactions.decision_from IS
            'commitPoint: a copy of what the commit point decided; operator: forced where a commit '
            'point decides; null: decided in this row';
        COMMENT ON COLUMN tandem.transactions.rollback_requested IS
            'Asks the owner for a rollback; decides nothing';
        COMMENT ON COLUMN tandem.transactions.results_omitted IS
            'Whether there were results that were too large to store';
        COMMENT ON COLUMN tandem.transactions.needs_operator_since IS
            'Since when the transaction waits for an operator; null if it does not';
        COMMENT ON COLUMN tandem.transactions.trace_parent IS
            'Where the caller stood in a trace, as its traceparent field says (W3C Trace Context)';
        COMMENT ON COLUMN tandem.transactions.attempt IS
            'Which run of its request the transaction is, from 1';
        COMMENT ON COLUMN tandem.transactions.retry_of IS
            'The run before this one, which lost to other transactions and was aborted';
        COMMENT ON COLUMN tandem.transactions.retried_as IS
            'The run after this one, which has the key now; written with the abort';
        COMMENT ON TABLE tandem.resolutions IS
            'What operators decided; rows are only added';
        COMMENT ON COLUMN tandem.resolutions.found IS
            'The outcome or state before the resolution';
        COMMENT ON COLUMN tandem.resolutions.forced IS
            'Whether it contradicted what was recorded, or could not be checked';
        COMMENT ON COLUMN tandem.resolutions.is_order IS
            'Whether tandem was ordered to finish the branch so; otherwise the operator stated that it was';
        END $$
        """
    ]
}
