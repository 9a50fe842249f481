extension Migration {
    /// Lives that are over, versioned participants, quarantine and resolutions.
    static let replicas = Migration(
        number: 2, name: "lives, participants, quarantine, resolutions",
        statements: [
            // A life is over for good: by giving up, by a younger one of its name, or by another
            // replica that found its lease run out. Nothing else is a lease's end.
            """
            ALTER TABLE tandem.replicas
                ADD is_over boolean NOT NULL DEFAULT false,
                ADD steady_since timestamptz NOT NULL DEFAULT '-infinity'
            """,
            // A pid means something on one server only.
            "ALTER TABLE tandem.sessions ADD system_identifier text NOT NULL DEFAULT ''",
            // The deadline by the database's own clock, and which server each branch was given to.
            """
            ALTER TABLE tandem.transactions
                ADD expires_at timestamptz NOT NULL DEFAULT 'infinity',
                ADD versions integer[],
                ADD resolutions integer NOT NULL DEFAULT 0
            """,
            """
            CREATE TABLE tandem.participants (
                name text NOT NULL,
                version integer NOT NULL,
                conninfo_digest bytea NOT NULL,
                system_identifier text NOT NULL,
                database text NOT NULL,
                timeline bigint NOT NULL,
                safe_transaction_id numeric NOT NULL DEFAULT 0,
                first_seen_at timestamptz NOT NULL DEFAULT now(),
                timeline_changed_at timestamptz,
                PRIMARY KEY (name, version),
                UNIQUE (name, conninfo_digest, system_identifier, database))
            """,
            """
            ALTER TABLE tandem.installation
                ADD system_identifier text,
                ADD timeline bigint,
                ADD quarantine_number bigint NOT NULL DEFAULT 0,
                ADD quarantine_reason text,
                ADD quarantined_at timestamptz
            """,
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
                is_forced boolean NOT NULL DEFAULT false,
                found text NOT NULL,
                evidence text,
                replica text NOT NULL,
                at timestamptz NOT NULL DEFAULT now())
            """,
            "CREATE INDEX resolutions_transaction ON tandem.resolutions (transaction)",
            """
            CREATE FUNCTION tandem.refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'tandem: resolutions are only ever added'
                    USING ERRCODE = 'integrity_constraint_violation';
            END $$
            """,
            """
            CREATE TRIGGER resolutions_stay BEFORE UPDATE OR DELETE OR TRUNCATE
                ON tandem.resolutions FOR EACH STATEMENT
                EXECUTE FUNCTION tandem.refuse_rewriting()
            """,
        ])
}
