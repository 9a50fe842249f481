"""How the pages are used: updates, keys, every width, both colour schemes, assistive technology."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect


def test_a_page_brings_itself_up_to_date_until_it_is_paused(opened, scenes):
    page = opened("/transactions?label=kind:live")
    expect(page.locator("#list")).to_contain_text("No transaction matches")
    scenes.commits(labels={"kind": "live"})
    expect(page.locator("#list tbody tr")).to_have_count(1)
    requests = []
    pause = page.get_by_role("button", name="Pause")
    expect(pause).to_have_attribute("aria-pressed", "false")
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "true")
    page.on("request", lambda request: requests.append(request.url))
    page.clock.install()
    page.clock.run_for(60_000)
    expect(page.locator("#live-state")).to_contain_text("Paused")
    assert requests == []
    with page.expect_request("**/transactions*"):
        pause.click()
        page.clock.run_for(10_000)
    expect(pause).to_have_attribute("aria-pressed", "false")


def test_an_update_leaves_the_focus_and_open_parts(opened, scenes):
    transaction, _ = scenes.waits()
    page = opened(f"/transactions/{transaction}")
    page.locator("#branch-0 .evidence summary").click()
    first = page.locator("#read-at").inner_text()
    expect(page.locator("#read-at")).not_to_have_text(first)
    expect(page.locator("#branch-0 .evidence")).to_have_attribute("open", "")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def refuse(route):
    route.abort()


def leave_open(route):
    """Answers nothing, as a process that is stopped does."""


@pytest.mark.parametrize("answer", [refuse, leave_open])
def test_a_replica_that_does_not_answer_is_reported(opened, scenes, answer):
    page = opened("/", errors_expected=True)
    page.route("**/*", answer)
    expect(page.locator("#live-state")).to_have_text("This replica does not answer.")
    expect(page.locator("#live-age")).to_contain_text("What you see was read")
    page.unroute_all()
    expect(page.locator("#live-state")).to_have_text("")


def test_an_open_page_says_that_an_error_took_its_place(opened, scenes, stack):
    transaction = scenes.commits()
    page = opened(f"/transactions/{transaction}", errors_expected=True)
    stack.state.kill()
    try:
        state = page.locator("#live-state")
        expect(state).to_have_text("The state database does not answer.")
        expect(page.locator("#live-age")).to_contain_text("What you see was read")
        expect(page.locator("#standing")).to_contain_text("All 2 branches have committed.")
        failed = opened(f"/transactions/{transaction}", errors_expected=True)
        expect(failed.locator("h1")).to_have_text("The state database does not answer")
    finally:
        stack.state.start()
    expect(state).to_have_text("")
    expect(failed.locator("#standing")).to_contain_text("All 2 branches have committed.")


def test_another_page_from_a_proxy_is_not_taken_for_an_update(opened, scenes):
    page = opened("/", errors_expected=True)
    page.route("**/*", lambda route: route.fulfill(
        status=502, content_type="text/html", body="<main><h1>Bad gateway</h1></main>"))
    expect(page.locator("#live-state")).to_have_text("Bad gateway.")


def test_a_page_that_waits_for_a_selection_says_so(opened, scenes):
    page = opened("/")
    page.evaluate("document.getSelection().selectAllChildren(document.querySelector('h1'))")
    expect(page.locator("#live-state")).to_contain_text("Not brought up to date while text is sel")
    page.evaluate("document.getSelection().removeAllRanges()")
    expect(page.locator("#live-state")).to_have_text("")


def test_keys(opened, scenes):
    scenes.commits()
    page = opened("/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    # The browser takes the focus from a field of a closed dialog only when it draws next.
    pause = page.get_by_role("button", name="Pause")
    for pressed in ("true", "false"):
        page.evaluate("""document.querySelector("dialog input").dispatchEvent(
            new KeyboardEvent("keydown", { key: "p", bubbles: true }))""")
        expect(pause).to_have_attribute("aria-pressed", pressed)
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.locator("h1")).to_have_text("Transactions")
    first = page.locator("#list tbody th a").first.get_attribute("href")
    transaction = first.rsplit("/", 1)[1]
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#transaction-id")).to_have_text(transaction)
    page.keyboard.press("c")
    expect(page.locator(".page-head .copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == transaction
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "true")


def test_keys_can_be_switched_off(opened, scenes):
    page = opened("/transactions")
    pause = page.get_by_role("button", name="Pause")
    choice = page.get_by_label("Listen to these keys")
    page.keyboard.press("?")
    choice.press("Space")
    page.keyboard.press("Escape")
    for key in ("p", "?", "g", "o"):
        page.keyboard.press(key)
    page.reload()
    page.keyboard.press("p")
    expect(pause).to_have_attribute("aria-pressed", "false")
    assert page.url.endswith("/transactions")
    # Without the key, the list of keys is reached by Tab.
    page.get_by_role("button", name="Keyboard shortcuts").press("Enter")
    expect(choice).not_to_be_checked()
    choice.press("Space")
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    expect(pause).to_have_attribute("aria-pressed", "true")


@pytest.fixture
def paths(scenes):
    """Pages with something of everything."""
    aborted = scenes.aborts(labels={"note": "long " * 40})
    astray = scenes.goes_astray()
    scenes.foreign("theirs")
    retried = scenes.retries()
    return ["/", "/transactions", "/participants", "/participants/users",
            *(f"/transactions/{each}" for each in (aborted, astray, retried))]


def test_no_page_is_wider_than_the_window(opened, paths):
    page = opened("/")
    for path in paths:
        page.goto(path)
        for width in (360, 768, 1280, 2560, 3840):
            page.set_viewport_size({"width": width, "height": 900})
            wider = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wider == 0, f"{path} at {width}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(opened, paths, scheme):
    page = opened("/", color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    found = []
    for path in paths:
        page.goto(path)
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        results = Axe().run(page, options={"resultTypes": ["violations"]})
        found += [(path, violation["id"], [node["html"] for node in violation["nodes"]][:3])
                  for violation in results.response["violations"]]
    assert found == []
