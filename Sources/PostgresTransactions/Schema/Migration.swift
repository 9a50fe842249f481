/// One numbered change of the state database's schema.
///
/// Published ones are never edited.
struct Migration: Sendable {
    let number: Int
    let name: String
    let statements: [String]

    /// All migrations, by number from 1.
    static let all: [Migration] = [
        .first, .replicas, .commitModes, .rollbackRequests, .knownParticipants,
        .operatorQueue,
    ]
}

extension Migration {
    /// The tables that issue no later change; see `docs/PROTOCOL.md` for what each column proves.
    static let first = Migration(
        number: 1, name: "transactions, replicas, sessions",
        statements: [
            """
            CREATE TABLE tandem.installation (
                singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
                id uuid NOT NULL DEFAULT gen_random_uuid(),
                low_water_mark bigint NOT NULL DEFAULT 0,
                created_at timestamptz NOT NULL DEFAULT now())
            """,
            "INSERT INTO tandem.installation DEFAULT VALUES",
            "CREATE SEQUENCE tandem.transaction_numbers INCREMENT 1000",
            """
            CREATE TABLE tandem.replicas (
                name text PRIMARY KEY,
                epoch bigint NOT NULL,
                heartbeat_at timestamptz NOT NULL DEFAULT now(),
                started_at timestamptz NOT NULL DEFAULT now()) WITH (fillfactor = 50)
            """,
            """
            CREATE TABLE tandem.sessions (
                participant text NOT NULL,
                process_id integer NOT NULL,
                backend_start text NOT NULL,
                replica text NOT NULL,
                epoch bigint NOT NULL,
                recorded_at timestamptz NOT NULL DEFAULT now(),
                PRIMARY KEY (participant, process_id, backend_start))
            """,
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
                owner text NOT NULL,
                epoch bigint NOT NULL,
                accepted_at timestamptz NOT NULL,
                deadline timestamptz NOT NULL,
                state text NOT NULL CHECK (state IN ('active', 'preparing', 'committing',
                    'aborting', 'committed', 'aborted', 'needsOperator')),
                decision text CHECK (decision IN ('commit', 'abort')),
                decided_at timestamptz,
                finished_at timestamptz,
                participants text[] NOT NULL,
                gids text[] NOT NULL,
                votes text[] NOT NULL,
                evidence text[] NOT NULL,
                outcomes text[] NOT NULL,
                retries integer[] NOT NULL,
                errors text[] NOT NULL,
                results text,
                results_omitted boolean NOT NULL DEFAULT false,
                problem text,
                CHECK ((decision IS NULL) = (decided_at IS NULL)),
                CHECK (finished_at IS NULL OR decision IS NOT NULL)) WITH (fillfactor = 70)
            """,
            """
            CREATE UNIQUE INDEX transactions_key ON tandem.transactions (principal, key_digest)
                WHERE key_digest IS NOT NULL
            """,
            """
            CREATE INDEX transactions_unfinished ON tandem.transactions (number)
                WHERE finished_at IS NULL
            """,
            """
            CREATE FUNCTION tandem.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'tandem: the decision of transaction % is written once', OLD.number
                    USING ERRCODE = 'integrity_constraint_violation';
            END $$
            """,
            """
            CREATE TRIGGER decision_is_written_once BEFORE UPDATE ON tandem.transactions
                FOR EACH ROW WHEN (OLD.decision IS NOT NULL
                    AND (NEW.decision IS DISTINCT FROM OLD.decision
                        OR NEW.gids IS DISTINCT FROM OLD.gids
                        OR NEW.participants IS DISTINCT FROM OLD.participants))
                EXECUTE FUNCTION tandem.refuse_change()
            """,
            """
            CREATE FUNCTION tandem.refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'tandem: transaction % is not finished', OLD.number
                    USING ERRCODE = 'integrity_constraint_violation';
            END $$
            """,
            """
            CREATE TRIGGER unfinished_stay BEFORE DELETE ON tandem.transactions
                FOR EACH ROW WHEN (OLD.finished_at IS NULL)
                EXECUTE FUNCTION tandem.refuse_removal()
            """,
        ])
}
