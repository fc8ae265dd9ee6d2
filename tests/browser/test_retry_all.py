"""All jobs of a filter are retried, once."""

from playwright.sync_api import expect

from tests.browser.operators import Operator

RETRY = "Retry all failed jobs that match"


def test_all_jobs_that_match_are_retried(ada: Operator) -> None:
    """Who goes back then finds a form for what is left: no job."""
    _open_form(ada)
    ada.sees(f"{RETRY}?")
    ada.says("2 jobs are selected.")
    expect(ada.fact("name")).to_have_text("fail")
    ada.click("button", RETRY)
    ada.sees(RETRY)
    ada.says("Done: 2 jobs changed.")
    ada.tab.go_back()
    ada.says("No job matches now.")
    expect(ada.tab.get_by_role("button", name=RETRY)).to_have_count(0)
    ada.click("link", "Actions")
    expect(ada.rows).to_have_count(1)


def test_a_form_that_is_sent_twice_is_carried_out_once(ada: Operator) -> None:
    _open_form(ada)
    first, second = _send_in_new_tab(ada), _send_in_new_tab(ada)
    first.says("Done: 2 jobs changed.")
    second.sees("Already sent")
    second.click("link", "To the first page")
    second.click("link", "Audit")
    expect(second.row("retry")).to_have_count(1)
    ada.shows_jobs("waiting")
    expect(ada.rows).to_have_count(2)


def _open_form(ada: Operator) -> None:
    ada.click("link", "Jobs")
    ada.tab.get_by_label("Worker").fill("fail")
    ada.tab.get_by_label("State").select_option("failed")
    ada.click("button", "Show")
    ada.click("radio", "all jobs that match the filter")
    ada.click("button", "Retry")


def _send_in_new_tab(ada: Operator) -> Operator:
    """Send the form, which stays open."""
    # For two seconds, a further click counts as that of a double click and sends nothing.
    expect(ada.tab.locator("form.change")).not_to_have_attribute("data-sent", "yes")
    with ada.tab.context.expect_page() as opened:
        ada.tab.get_by_role("button", name=RETRY).click(modifiers=["Control"])
    other = Operator(opened.value)
    other.tab.wait_for_load_state()
    return other
