/// The SQL that creates a journal of decisions in a database.
package enum JournalSchema {
    /// The statements that make it, for the role that tandem connects as.
    ///
    /// The role that runs them owns it. Better use another role than tandem's: then tandem's role may only
    /// call these functions, and no caller's SQL can change a decision.
    package static func statements(role: String) -> [String] {
        let name = "\"" + role.replacing("\"", with: "\"\"") + "\""
        return objects + functions + [
            "REVOKE ALL ON tandem_participant.decisions FROM PUBLIC",
            "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tandem_participant FROM PUBLIC",
            "GRANT USAGE ON SCHEMA tandem_participant TO \(name)",
            "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA tandem_participant TO \(name)",
        ]
    }

    private static let objects = [
        "CREATE SCHEMA IF NOT EXISTS tandem_participant",
        """
        CREATE TABLE IF NOT EXISTS tandem_participant.decisions (
            installation uuid NOT NULL,
            number bigint NOT NULL,
            salt bigint NOT NULL,
            decision text NOT NULL CHECK (decision IN ('commit', 'abort')),
            evidence text[],
            results text,
            decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            claims integer NOT NULL DEFAULT 0,
            PRIMARY KEY (installation, number, salt)) USING heap WITH (fillfactor = 90)
        """,
        """
        CREATE OR REPLACE FUNCTION tandem_participant.refuse_change() RETURNS trigger
        LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'tandem: a decision is written once'
                USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """,
        """
        CREATE OR REPLACE TRIGGER decisions_are_written_once
            BEFORE UPDATE ON tandem_participant.decisions FOR EACH ROW
            WHEN ((OLD.installation, OLD.number, OLD.salt, OLD.decision, OLD.evidence, OLD.results)
                IS DISTINCT FROM (NEW.installation, NEW.number, NEW.salt, NEW.decision,
                    NEW.evidence, NEW.results))
            EXECUTE FUNCTION tandem_participant.refuse_change()
        """,
        """
        CREATE OR REPLACE TRIGGER decisions_stay
            BEFORE TRUNCATE ON tandem_participant.decisions
            EXECUTE FUNCTION tandem_participant.refuse_change()
        """,
    ]

    /// Each runs as the owner, with a search path of its own and not the caller's.
    private static let functions = [
        """
        CREATE OR REPLACE FUNCTION tandem_participant.decide(installation uuid, number bigint,
            salt bigint, decision text, evidence text[], results text) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
        BEGIN
            INSERT INTO tandem_participant.decisions
                (installation, number, salt, decision, evidence, results)
                VALUES ($1, $2, $3, $4, $5, $6);
        END $$
        """,
        """
        CREATE OR REPLACE FUNCTION tandem_participant.claim(uuid, bigint, bigint)
            RETURNS TABLE (decision text, evidence text[], results text)
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
            UPDATE tandem_participant.decisions AS d SET claims = d.claims + 1
            WHERE d.installation = $1 AND d.number = $2 AND d.salt = $3
            RETURNING d.decision, d.evidence, d.results
        $$
        """,
        """
        CREATE OR REPLACE FUNCTION tandem_participant.decided(uuid, bigint, integer)
            RETURNS TABLE (number bigint, salt bigint)
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
            SELECT d.number, d.salt FROM tandem_participant.decisions AS d
            WHERE d.installation = $1 AND d.number > $2 ORDER BY d.number LIMIT $3
        $$
        """,
        """
        CREATE OR REPLACE FUNCTION tandem_participant.forget(uuid, bigint[], bigint[])
            RETURNS bigint
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
            WITH gone AS (
                DELETE FROM tandem_participant.decisions AS d
                USING unnest($2, $3) AS x(number, salt)
                WHERE d.installation = $1 AND d.number = x.number AND d.salt = x.salt
                RETURNING 1)
            SELECT count(*) FROM gone
        $$
        """,
    ]
}
