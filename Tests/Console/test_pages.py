"""What the pages show, and that nothing from outside becomes part of them."""

import json

import pytest
from playwright.sync_api import expect

MARKUP = "<script>window.taken = 1</script>\"'><img src=x onerror=window.taken=1>"


def test_the_overview_of_a_quiet_installation(opened, scenes):
    page = opened("/")
    expect(page.locator("#headline")).to_contain_text("Nothing needs an operator.")
    expect(page.locator("#participants tbody tr")).to_have_count(3)
    expect(page.locator("#replicas tbody tr").first).to_contain_text("live")
    expect(page.locator("#read-at")).to_contain_text("Read by replica-1 at")


def test_a_transaction_that_committed(opened, scenes):
    transaction = scenes.commits()
    page = opened(f"/transactions/{transaction}")
    expect(page.locator("#standing")).to_contain_text("All 2 branches have committed.")
    expect(page.locator(".timeline tbody tr")).to_have_count(3)
    expect(page.locator(".timeline")).to_contain_text("Branch 0: users")
    expect(page.locator(".timeline")).to_contain_text("commit for")
    expect(page.locator(".branch")).to_have_count(2)
    expect(page.locator("[data-action]")).to_have_count(0)


def test_why_a_transaction_was_aborted(opened, scenes):
    transaction = scenes.aborts()
    page = opened(f"/transactions/{transaction}")
    expect(page.locator("#standing")).to_contain_text("no branch took effect")
    expect(page.locator("#problem")).to_contain_text("22012")
    expect(page.locator("#problem")).to_contain_text("orders")


def test_a_transaction_in_doubt(opened, scenes, stack):
    transaction = scenes.in_doubt(stack.add_replica("replica-4"))
    page = opened(f"/transactions/{transaction}")
    expect(page.locator("#standing")).to_contain_text("in doubt")
    expect(page.locator("#standing")).to_contain_text("Bring orders back.")
    expect(page.locator("#branch-1")).to_contain_text("its own COMMIT, which decides")
    stack.participants["orders"].start()
    expect(page.locator("#standing")).to_contain_text("All 2 branches have committed.")


def test_whom_a_branch_waits_for(opened, scenes):
    transaction, _ = scenes.waits()
    page = opened(f"/transactions/{transaction}")
    expect(page.locator("#branch-0")).to_contain_text("Waits for a lock")
    expect(page.locator("#branch-1 .by-hand")).to_contain_text("Nothing is decided yet")
    expect(page.locator("#branch-1 .by-hand pre")).to_have_count(0)


def test_the_statement_that_finishes_a_branch_by_hand(opened, scenes, stack):
    transaction = scenes.retries(kills=False)
    page = opened(f"/transactions/{transaction}")
    page.locator("#branch-1 .by-hand summary").click()
    statement = page.locator("#sql-1").inner_text()
    gid = scenes.show(transaction)["branches"][1]["gid"]
    assert statement == f"COMMIT PREPARED '{gid}';"
    expect(page.locator("#branch-1 .by-hand")).to_contain_text("postgres")
    page.locator("#branch-1 .by-hand .copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == statement
    with stack.participants["orders"].session() as session:
        session.query(statement)
    scenes.end()
    scenes.becomes(transaction, "committed")
    expect(page.locator("#standing")).to_contain_text("All 2 branches have committed.")


def test_what_a_prepared_transaction_locks_and_blocks(opened, scenes):
    scenes.foreign(f"theirs {MARKUP}")
    page = opened("/participants/users")
    row = page.locator("#prepared tbody tr", has_text="theirs")
    expect(row).to_contain_text("foreign")
    expect(row).to_contain_text("RowExclusiveLock on public.legs")
    expect(row).to_contain_text(MARKUP)
    assert page.evaluate("window.taken") is None


def test_what_on_a_server_undoes_two_phase_commit(opened, scenes):
    page = opened("/participants/users")
    # The harness's servers run without fsync.
    expect(page.locator("#hazards")).to_contain_text("Its commits are not durable.")
    expect(page.locator("#hazards")).to_contain_text("fsync = off")
    page = opened("/")
    expect(page.locator("#notices")).to_contain_text("The state database's server: Its commits are not")


def test_nothing_from_outside_is_markup(opened, scenes):
    literal = MARKUP.replace("'", "''")
    transaction = scenes.aborts(f"SELECT '{literal}'::int", labels={"note": MARKUP})
    for path in (f"/transactions/{transaction}", "/transactions",
                 "/transactions?label=" + "%3Cscript%3E:%22%3E%3Cscript%3E"):
        page = opened(path, errors_expected=True)
        assert page.evaluate("window.taken") is None
        assert page.locator("script").count() == 1
        assert page.locator("img").count() == 0
    page = opened(f"/transactions/{transaction}")
    expect(page.locator("#facts")).to_contain_text(MARKUP)


def test_filters_are_in_the_address_and_in_the_export(opened, scenes):
    transaction = scenes.commits(labels={"team": "a b&c"})
    scenes.commits()
    page = opened("/transactions")
    page.get_by_label("Label").fill("team:a b&c")
    page.get_by_label("State").select_option("committed")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#list tbody tr")).to_have_count(1)
    expect(page.get_by_label("Label")).to_have_value("team:a b&c")
    assert "label=team" in page.url
    export = page.get_by_role("link", name="JSON").get_attribute("href")
    listed = json.loads(page.request.get(export).text())["transactions"]
    assert [entry["id"] for entry in listed] == [transaction]


@pytest.mark.parametrize("age", ["60", "9223372036854775807", "-1", "x", "%zz"])
def test_queues_by_age(opened, scenes, age):
    transaction = scenes.retries()
    page = opened(f"/?olderThan={age}")
    listed = page.locator("#queues").get_by_role("link", name=transaction.split("-")[0])
    expect(listed).to_have_count(0 if age in ("60", "9223372036854775807") else 1)


def test_a_filter_that_is_wrong_is_explained(opened, scenes):
    page = opened("/transactions?label=nothing&state=gone", errors_expected=True)
    expect(page.locator(".notice")).to_contain_text("Expected a label as name:value")
    expect(page.locator(".notice")).to_contain_text("state: Expected one of")


def test_pages_of_the_list_follow_each_other(opened, scenes):
    made = [scenes.commits(labels={"kind": "paged"}) for _ in range(5)]
    page = opened("/transactions?label=kind:paged&limit=2")
    seen = []
    while True:
        links = page.locator("#list tbody th a")
        seen += [link.get_attribute("href").rsplit("/", 1)[1] for link in links.all()]
        following = page.get_by_role("link", name="Next page")
        if following.count() == 0:
            break
        following.click()
        page.wait_for_load_state()
    assert seen == made[::-1]


def test_pages_are_whole_without_a_script(opened, scenes):
    transaction = scenes.retries()
    page = opened("/", java_script_enabled=False)
    expect(page.locator("#queues")).to_contain_text("Retrying")
    page = opened(f"/transactions/{transaction}", java_script_enabled=False)
    expect(page.locator("#branch-1")).to_contain_text("Last error")
    expect(page.locator("#sql-1")).to_be_visible()
    for button in page.locator("main button").all():
        expect(button).to_be_hidden()


def test_without_the_state_database_the_overview_shows_what_is_known(opened, scenes, stack):
    scenes.commits()
    stack.state.kill()
    try:
        page = opened("/", errors_expected=True)
        expect(page.locator("#headline")).to_contain_text("The state database does not answer.")
        expect(page.locator("#participants tbody tr")).to_have_count(3)
        expect(page.locator("#replicas")).to_contain_text("Not known")
        page = opened("/transactions", errors_expected=True)
        expect(page.locator("h1")).to_have_text("The state database does not answer")
    finally:
        stack.state.start()
    page = opened("/", errors_expected=True)
    expect(page.locator("#headline")).not_to_contain_text("The state database")


@pytest.mark.parametrize("path", ["/nothing", "/transactions/1-0000000000000000", "/participants/x"])
def test_what_is_not_there_gets_a_page(opened, scenes, path):
    page = opened(path, errors_expected=True)
    expect(page.locator("h1")).to_have_text("Nothing is here")


def test_a_replica_whose_console_is_read_only_or_off(opened, scenes, stack):
    transaction = scenes.goes_astray()
    reading = stack.add_replica("replica-2", more="console: readOnly\n")
    silent = stack.add_replica("replica-3", more="console: off\n")
    reading.start()
    silent.start()
    try:
        page = opened(f"/transactions/{transaction}", port=reading.port)
        expect(page.locator(".banner")).to_contain_text("read only")
        expect(page.locator("[data-action]")).to_have_count(0)
        page = opened("/", port=silent.port, errors_expected=True)
        assert json.loads(page.inner_text("body"))["type"] == "/problems/not-found"
    finally:
        reading.stop()
        silent.stop()
