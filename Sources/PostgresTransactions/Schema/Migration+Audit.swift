extension Migration {
    /// What operators did, for auditors: rows are added, and neither changed nor removed.
    ///
    /// `resolutions` is what tandem itself acts on, and is written together with the change that it makes.
    /// This table has one row for each action, whatever became of it.
    static let audit =
        [
            """
            CREATE TABLE tandem.audit (
                number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                at timestamptz NOT NULL DEFAULT now(),
                replica text NOT NULL,
                actor text NOT NULL,
                address text NOT NULL,
                action text NOT NULL,
                subject text NOT NULL,
                reason text,
                outcome text NOT NULL)
            """,
            """
            DO $$ BEGIN
            COMMENT ON TABLE tandem.audit IS
                'What operators did: one row for each retry, rollback and resolution, whatever became of it';
            COMMENT ON COLUMN tandem.audit.actor IS
                'The principal of the token; anonymous without an access file';
            COMMENT ON COLUMN tandem.audit.address IS
                'Where the request came from, as far as this replica could see';
            COMMENT ON COLUMN tandem.audit.subject IS
                'The transaction, and for a resolution its branch after a slash';
            COMMENT ON COLUMN tandem.audit.reason IS
                'What the operator stated, and for a resolution under which name';
            COMMENT ON COLUMN tandem.audit.outcome IS
                'done, accepted (it goes on), or the type of the problem that was answered';
            END $$
            """,
        ] + onlyAdded(to: "audit")

    /// Refuses every change of a table but new rows.
    static func onlyAdded(to table: String) -> [String] {
        [
            """
            CREATE FUNCTION tandem.refuse_\(table)_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'tandem: rows of % can only be added', TG_TABLE_NAME
                    USING ERRCODE = 'integrity_constraint_violation';
            END $$
            """,
            """
            CREATE TRIGGER \(table)_is_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE
                ON tandem.\(table) FOR EACH STATEMENT
                EXECUTE FUNCTION tandem.refuse_\(table)_change()
            """,
        ]
    }
}
