extension Migration {
    /// Since when a transaction has waited for an operator: until each branch that did not end as decided
    /// has an operator's word.
    ///
    /// The column is null in nearly every row and in each of its changes, so that its index costs the
    /// updates nothing; one on the state would.
    static let operatorQueue = Migration(
        number: 6, name: "transactions that wait for an operator",
        statements: [
            "ALTER TABLE tandem.transactions ADD COLUMN needs_operator_since timestamptz",
            """
            UPDATE tandem.transactions SET needs_operator_since = coalesce(finished_at, now())
            WHERE state = 'needsOperator'
            """,
            """
            CREATE INDEX transactions_operator ON tandem.transactions (needs_operator_since)
                WHERE needs_operator_since IS NOT NULL
            """,
            """
            CREATE FUNCTION tandem.call_operator() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                NEW.needs_operator_since := CASE WHEN NEW.state = 'needsOperator'
                    AND (NEW.decision IS NULL OR EXISTS (
                        SELECT FROM unnest(NEW.outcomes) WITH ORDINALITY AS o(outcome, place)
                        WHERE o.outcome LIKE 'heuristic%' AND NOT EXISTS (
                            SELECT FROM tandem.resolutions AS r
                            WHERE r.branch = o.place - 1 AND r.transaction
                                = NEW.number || '-' || lpad(to_hex(NEW.salt), 16, '0'))))
                    THEN now() END;
                RETURN NEW;
            END $$
            """,
            """
            CREATE TRIGGER operator_is_called BEFORE UPDATE ON tandem.transactions
                FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state
                    AND 'needsOperator' IN (OLD.state, NEW.state))
                EXECUTE FUNCTION tandem.call_operator()
            """,
        ])
}
