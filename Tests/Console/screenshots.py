"""Pictures of the pages in the states that matter, for a person to look at.

    scripts/console-screenshots.sh DIR
"""

import os
from pathlib import Path

import pytest

from stack import processes

FOLDER = Path(os.environ["TANDEM_SCREENSHOTS"])
# Name: colour scheme, width, height. A phone, a laptop in both schemes, a 4k screen.
SCREENS = {
    "360": ("light", 360, 740), "360-dark": ("dark", 360, 740), "1280": ("light", 1280, 800),
    "1280-dark": ("dark", 1280, 800), "3840": ("light", 3840, 2160),
}
COPIES = """
    WITH block AS (SELECT nextval('tandem.transaction_numbers') AS first),
        originals AS (SELECT t.*, row_number() OVER () - 1 AS index, count(*) OVER () AS total
            FROM (SELECT * FROM tandem.transactions WHERE finished_at IS NOT NULL
                ORDER BY number DESC LIMIT 40) AS t)
    INSERT INTO tandem.transactions ({columns})
    SELECT {values} FROM block, generate_series(first, first + 999) AS n
        JOIN originals AS row ON n % row.total = row.index
"""
COLUMNS = """
    SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = 'tandem.transactions'::regclass
        AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""
OWN = {"number": "n", "salt": "n * 7919", "key_digest": "NULL", "request_digest": "NULL"}


@pytest.fixture
def take(opened):
    """Takes pictures of a page on every screen, whole except on the largest."""
    def take(name, path, prepare=lambda page: None):
        for screen, (scheme, width, height) in SCREENS.items():
            page = opened(path, errors_expected=True, color_scheme=scheme,
                          viewport={"width": width, "height": height}, reduced_motion="reduce")
            prepare(page)
            # What is around a dialog is dimmed in the window alone.
            is_whole = width < 3840 and page.locator("dialog[open]").count() == 0
            page.screenshot(path=FOLDER / f"{name}-{screen}.png", full_page=is_whole)
            page.close()
    return take


def test_nothing_has_happened(take, scenes, replica):
    processes.until(60, "the hazards are read", lambda: all(
        each["hazards"] for each in replica.get("/v1/participants").body["participants"]))
    take("empty-overview", "/")
    take("empty-transactions", "/transactions")
    take("empty-participant", "/participants/users")
    take("keys", "/", lambda page: page.keyboard.press("?"))


def test_a_server_does_not_answer(take, scenes):
    transaction = scenes.retries()
    take("outage-overview", "/")
    take("outage-participants", "/participants")
    take("outage-participant", "/participants/orders")
    take("outage-transaction", f"/transactions/{transaction}")


def test_in_doubt(take, scenes, stack):
    transaction = scenes.in_doubt(stack.add_replica("replica-2"))
    take("doubt-overview", "/")
    take("doubt-transaction", f"/transactions/{transaction}")


def test_a_heuristic_outcome(take, scenes):
    transaction = scenes.goes_astray()
    scenes.foreign("billing:42")
    take("heuristic-overview", "/")
    take("heuristic-transaction", f"/transactions/{transaction}")
    take("heuristic-dialog", f"/transactions/{transaction}", lambda page: page.locator(
        "#branch-1").get_by_role("button", name="Resolve…").click())


def test_without_a_row(take, scenes):
    scenes.rowless()
    take("rowless-participant", "/participants/users")


def test_a_wait_and_a_refusal(take, scenes):
    transaction, _ = scenes.waits()

    def refuse(page):
        page.route("**/rollback", lambda route: route.fulfill(
            status=409, content_type="application/problem+json",
            body='{"title": "The decision stands", "detail": "It is to commit"}'))
        page.get_by_role("button", name="Roll back…").click()
        page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
        page.get_by_role("alert").filter(has_text="stands").wait_for()
    take("waiting-transaction", f"/transactions/{transaction}")
    take("refused-dialog", f"/transactions/{transaction}", refuse)


def test_ten_thousand_transactions(take, scenes, stack):
    for number in range(40):
        scenes.commits(labels={"service": ("checkout", "refund", "signup")[number % 3]})
    aborted = scenes.aborts(
        labels={"service": "checkout", "note": "a long value of a label, with spaces"})
    scenes.becomes(aborted, "aborted")
    with stack.state.session() as session:
        names = [name for [name] in session.query(COLUMNS)]
        values = ", ".join(OWN.get(name, f"row.{name}") for name in names)
        for _ in range(10):
            session.query(COPIES.format(columns=", ".join(names), values=values))
    scenes.retries()
    take("many-overview", "/")
    take("many-transactions", "/transactions")
    take("many-page", "/transactions?limit=200&state=aborted")
    take("refused-filters", "/transactions?state=unknown&label=a:b")


def test_without_the_state_database(take, scenes, stack):
    stack.state.kill()
    try:
        take("state-overview", "/")
        take("state-transactions", "/transactions")
    finally:
        stack.state.start()
