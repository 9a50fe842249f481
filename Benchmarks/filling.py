"""Fills the state table with copies of a finished row, millions of them."""

import sys
import time

from measurement import query

# Rows of one INSERT, which takes a few seconds, so that an interrupt takes effect soon.
FILL_BATCH = 250_000
# Columns that differ between a copy and its original.
OWN = {"number": "n", "salt": "n", "key_digest": "NULL", "request_digest": "NULL",
       "accepted_at": "now() - interval '1 hour'", "finished_at": "now()"}
COLUMNS = """
    SELECT quote_ident(attname) FROM pg_attribute
    WHERE attrelid = 'tandem.transactions'::regclass AND attnum > 0
        AND NOT attisdropped AND attgenerated = ''
"""
FILL = """
    INSERT INTO tandem.transactions ({columns})
    SELECT {values}
    FROM (SELECT t.* FROM tandem.transactions AS t
            WHERE finished_at IS NOT NULL LIMIT 1) AS first,
        generate_series({first}, {last}) AS n
"""
WORKERS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"


def fill(stack, wanted, filled, own=None):
    """Adds finished rows up to this count, with numbers that no transaction will get.

    `own` has more columns that differ between a copy and its original, in SQL, with `n` for the number.
    """
    own = OWN | (own or {})
    if filled == 0 and wanted > 0:
        # Ids come from the sequence in blocks; the next ones are beyond the added rows.
        query(stack, "state", "SELECT setval('tandem.transaction_numbers', 100000000001)")
    columns = [name for [name] in query(stack, "state", COLUMNS)]
    values = ", ".join(own.get(name, f"first.{name}") for name in columns)
    while filled < wanted:
        count = min(FILL_BATCH, wanted - filled)
        first = 1_000_000_000 + filled
        query(stack, "state", FILL.format(
            columns=", ".join(columns), values=values, first=first, last=first + count - 1))
        filled += count
        print(f"\r{filled:,} rows", end="", file=sys.stderr, flush=True)
    if wanted:
        print(file=sys.stderr)
        query(stack, "state", "VACUUM ANALYZE tandem.transactions")
        calm(stack)
    return filled


def calm(stack):
    """Waits until the server has vacuumed after the filling."""
    query(stack, "state", "CHECKPOINT")
    while query(stack, "state", WORKERS) != [["0"]]:
        time.sleep(1)
