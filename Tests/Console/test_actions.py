"""Every action of an operator, from the button to the database."""

from playwright.sync_api import expect


def test_retry_now(opened, scenes, stack):
    transaction = scenes.retries()
    page = opened(f"/transactions/{transaction}")
    expect(page.locator("#standing")).to_contain_text("retrying")
    expect(page.locator("#branch-1")).to_contain_text("Next attempt")
    with page.expect_response(lambda response: response.url.endswith("/retry")) as answer:
        page.get_by_role("button", name="Retry now").click()
    assert answer.value.status == 202
    expect(page.locator("#reply")).to_contain_text("accepted; every unfinished branch")
    stack.participants["orders"].start()
    expect(page.locator("#standing")).to_contain_text("All 2 branches have committed.")
    expect(page.get_by_role("button", name="Retry now")).to_have_count(0)


def is_read_again(page):
    """Waits until the page has brought itself up to date."""
    first = page.locator("#read-at").inner_text()
    expect(page.locator("#read-at")).not_to_have_text(first)


def test_a_refusal_stays_until_it_is_dismissed(opened, scenes):
    transaction = scenes.retries()
    page = opened(f"/transactions/{transaction}", errors_expected=True)
    page.route("**/retry", lambda route: route.fulfill(
        status=409, content_type="application/problem+json",
        body='{"title": "Not now", "detail": "A test refuses"}'))
    page.get_by_role("button", name="Retry now").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#reply")).to_contain_text("Not now. A test refuses")
    expect(page.get_by_role("button", name="Retry now")).to_be_focused()
    is_read_again(page)
    is_read_again(page)
    expect(page.locator("#reply")).to_contain_text("Not now. A test refuses")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#reply")).to_be_empty()
    expect(page.get_by_role("button", name="Dismiss")).to_be_hidden()


def test_a_form_opens_without_its_last_refusal(opened, scenes):
    transaction, _ = scenes.waits()
    page = opened(f"/transactions/{transaction}", errors_expected=True)
    page.route("**/rollback", lambda route: route.fulfill(
        status=409, content_type="application/problem+json", body='{"title": "Not now"}'))
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Roll back…").click()
    dialog.get_by_role("button", name="Roll back").click()
    expect(dialog.get_by_role("alert")).to_have_text("Not now")
    dialog.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Roll back…").click()
    expect(dialog).to_be_visible()
    expect(dialog.locator(".answer")).to_be_empty()


def test_roll_back(opened, scenes):
    transaction, caller = scenes.waits()
    page = opened(f"/transactions/{transaction}")
    page.get_by_role("button", name="Roll back…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel").click()
    assert scenes.show(transaction)["decision"] is None
    page.get_by_role("button", name="Roll back…").click()
    dialog.get_by_role("button", name="Roll back").click()
    expect(page.locator("#standing")).to_contain_text("abort")
    expect(dialog).to_have_count(0)
    assert caller.wait().type == "rolled-back-by-request"


def test_resolve_what_no_row_records(opened, scenes, stack):
    transaction, gid = scenes.rowless()
    page = opened("/participants/users", errors_expected=True)
    found = page.locator("#unresolved .found", has_text=gid)
    found.get_by_role("button", name="Resolve").click()
    dialog = fill(page, "is to be committed", "1")
    expect(dialog).to_contain_text("Resolve branch 0 in users")
    button = dialog.get_by_role("button", name="Record the resolution")
    button.click()
    # The number is another transaction's, so the browser sends nothing.
    dialog.get_by_label("To confirm").fill(transaction.split("-")[0])
    button.click()
    expect(dialog.get_by_role("alert")).to_contain_text("Nothing shows that the decision was to commit")
    assert stack.prepared("users") == [gid]
    dialog.get_by_label("is to be rolled back").check()
    button.click()
    expect(page.locator("#reply")).to_contain_text("the resolution is recorded")
    expect(found).to_have_count(0)
    scenes.becomes(transaction, "aborted")
    assert stack.prepared("users") == []
    resolution = scenes.show(transaction)["resolutions"][0]
    assert (resolution["actor"], resolution["outcome"]) == ("ada", "rolledBack")


def fill(page, outcome, number):
    dialog = page.get_by_role("dialog")
    dialog.get_by_label(outcome).check()
    dialog.get_by_label("Your name").fill("ada")
    dialog.get_by_label("What you found").fill("The row is there; I added it by hand.")
    dialog.get_by_label("To confirm").fill(number)
    return dialog


def test_resolve(opened, scenes):
    transaction = scenes.goes_astray()
    # The browser reports each refusal of a request as an error.
    page = opened(f"/transactions/{transaction}", errors_expected=True)
    expect(page.locator("#standing")).to_contain_text("needs an operator")
    page.locator("#branch-1").get_by_role("button", name="Resolve…").click()
    dialog = fill(page, "was committed", "1")
    button = dialog.get_by_role("button", name="Record the resolution")
    button.click()
    # The number is another transaction's, so the browser sends nothing.
    assert scenes.show(transaction)["resolutions"] == []
    dialog.get_by_label("To confirm").fill(transaction.split("-")[0])
    button.click()
    expect(dialog.get_by_role("alert")).to_contain_text("Use force")
    dialog.get_by_label("Record it even if").check()
    button.click()
    expect(page.locator("#resolutions")).to_contain_text("I added it by hand.")
    resolution = scenes.show(transaction)["resolutions"][0]
    assert (resolution["actor"], resolution["outcome"]) == ("ada", "committed")
    assert scenes.show(transaction)["state"] == "committed"


def test_a_resolution_of_what_has_changed_is_refused(opened, scenes, replica):
    transaction = scenes.goes_astray()
    page = opened(f"/transactions/{transaction}", errors_expected=True)
    page.locator("#branch-1").get_by_role("button", name="Resolve…").click()
    other = opened(f"/transactions/{transaction}", errors_expected=True)
    for view in (other, page):
        if view is other:
            view.locator("#branch-1").get_by_role("button", name="Resolve…").click()
        dialog = fill(view, "was rolled back", transaction.split("-")[0])
        dialog.get_by_label("Record it even if").check()
        dialog.get_by_role("button", name="Record the resolution").click()
        if view is other:
            expect(view.locator("#resolutions")).to_contain_text("ada")
    expect(page.get_by_role("alert")).to_contain_text("no longer the one")
    assert len(scenes.show(transaction)["resolutions"]) == 1
