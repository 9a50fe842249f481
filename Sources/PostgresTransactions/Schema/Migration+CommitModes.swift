extension Migration {
    /// Branches that are not prepared, and decisions that the row only copies.
    static let commitModes = Migration(
        number: 3, name: "commit_modes and registers",
        statements: [
            """
            ALTER TABLE tandem.transactions
                ADD COLUMN commit_modes text[],
                ADD COLUMN journal text,
                ADD COLUMN delegated boolean NOT NULL DEFAULT false,
                ADD COLUMN decision_from text CHECK (decision_from IN ('commitPoint', 'operator'))
            """,
            """
            CREATE FUNCTION tandem.refuse_decision() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'tandem: transaction % is decided by its register', NEW.number
                    USING ERRCODE = 'integrity_constraint_violation';
            END $$
            """,
            """
            CREATE TRIGGER a_commit_point_decides BEFORE INSERT OR UPDATE ON tandem.transactions
                FOR EACH ROW WHEN ((NEW.journal IS NOT NULL OR NEW.delegated)
                    AND NEW.decision IS NOT NULL AND NEW.decision_from IS NULL)
                EXECUTE FUNCTION tandem.refuse_decision()
            """,
            """
            CREATE FUNCTION tandem.refuse_commit_point() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'tandem: the register of transaction % does not change', OLD.number
                    USING ERRCODE = 'integrity_constraint_violation';
            END $$
            """,
            """
            CREATE TRIGGER the_commit_point_stays BEFORE UPDATE ON tandem.transactions
                FOR EACH ROW WHEN (OLD.journal IS DISTINCT FROM NEW.journal
                    OR OLD.commit_modes IS DISTINCT FROM NEW.commit_modes
                    OR (OLD.delegated AND NOT NEW.delegated)
                    OR (NEW.delegated AND NOT OLD.delegated AND OLD.decision IS NOT NULL))
                EXECUTE FUNCTION tandem.refuse_commit_point()
            """,
        ])
}
