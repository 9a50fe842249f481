extension Migration {
    /// What operators are notified of by the webhook; `AlertTable` reads and writes it.
    static let alerts = [
        """
        CREATE TABLE tandem.operator_alerts (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            kind text NOT NULL,
            subject text NOT NULL,
            transaction_number bigint,
            seen_by text[] NOT NULL DEFAULT '{}',
            detail text NOT NULL DEFAULT '',
            since timestamptz NOT NULL,
            opened_at timestamptz NOT NULL DEFAULT now(),
            resolved_at timestamptz,
            opened_delivered_at timestamptz,
            resolved_delivered_at timestamptz,
            attempts integer NOT NULL DEFAULT 0,
            next_attempt_at timestamptz NOT NULL DEFAULT now())
        """,
        """
        CREATE UNIQUE INDEX operator_alerts_open ON tandem.operator_alerts (kind, subject)
            WHERE resolved_at IS NULL
        """,
        """
        CREATE INDEX operator_alerts_undelivered ON tandem.operator_alerts (next_attempt_at)
            WHERE resolved_delivered_at IS NULL
        """,
        """
        CREATE INDEX operator_alerts_delivered ON tandem.operator_alerts (resolved_delivered_at)
            WHERE resolved_delivered_at IS NOT NULL
        """,
        """
        DO $$ BEGIN
        COMMENT ON TABLE tandem.operator_alerts IS
            'What operators are notified of by the webhook; no decision depends on it';
        COMMENT ON COLUMN tandem.operator_alerts.transaction_number IS
            'The transaction whose row says whether it is over; NULL for what replicas see';
        COMMENT ON COLUMN tandem.operator_alerts.seen_by IS
            'The replicas that see it; resolved once there is none';
        COMMENT ON COLUMN tandem.operator_alerts.since IS
            'When it began, as far as the replica that opened it knew';
        COMMENT ON COLUMN tandem.operator_alerts.next_attempt_at IS
            'Until then another replica may be sending the message';
        END $$
        """,
    ]
}
